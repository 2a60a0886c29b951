import type { Schemas } from '@qdrant/js-client-rest';
import { KnarrError } from '../../../errors.ts';
import { PassingFailure, retryAfterMs, retrying } from '../../../retry.ts';
import { callScope } from '../../../runtime/call.ts';
import type { WorkTime } from '../port.ts';
import { failureOf } from './errors.ts';

export interface QdrantSettings {
  url: string;
  apiKey?: string | undefined;
  /** For an operation whose caller sets no deadline, milliseconds. */
  timeoutMs: number;
}

export interface QdrantRequest {
  method: 'GET' | 'PUT' | 'POST' | 'PATCH';
  path: string;
  query?: Record<string, string | number | boolean | undefined>;
  body?: object;
}

/** Gives the `result` of Qdrant's answer. */
export type Qdrant = <T>(request: QdrantRequest, time?: WorkTime) => Promise<T>;

const DEFAULT_PORT = 6333;
const RETRY = { attempts: 6, firstPauseMs: 100, longestPauseMs: 2_000 };
/** Of an answer: 1,000 vectors of 4,096 numbers are 50 MB of JSON. */
const MAX_ANSWER_BYTES = 128 * 1024 * 1024;

/** The address of a server, at port 6333 unless it names one. */
export function baseOf(url: string): URL {
  const base = new URL(url);
  // A scheme's own port is dropped from a URL, so it has to be looked for in what was written.
  if (base.port === '' && !/^\w+:\/\/[^/]*:\d+(\/|$)/.test(url)) base.port = String(DEFAULT_PORT);
  return base;
}

/**
 * Qdrant by REST. Every request that Knarr makes may be repeated without harm (points are written whole under ids that
 * say what they are, removals name what must not be there), so all are, while the failure may pass and time is left: a
 * write that too few replicas have taken is so applied again. The time that is left goes along as `timeout`.
 */
export function createQdrant({ url, apiKey, timeoutMs }: QdrantSettings): Qdrant {
  const base = baseOf(url);
  const root = base.href.replace(/\/+$/, '');
  const headers = { 'content-type': 'application/json', ...(apiKey && { 'api-key': apiKey }) };

  async function attempt<T>(request: QdrantRequest, deadline: number, signal: AbortSignal): Promise<T> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) query.set(name, String(value));
    }
    // Whole seconds, at least one: the signal is the finer limit.
    query.set('timeout', String(Math.max(1, Math.ceil((deadline - Date.now()) / 1000))));
    const response = await fetch(`${root}${request.path}?${query}`, {
      method: request.method,
      headers: { ...headers, 'accept-encoding': 'identity' },
      ...(request.body && { body: JSON.stringify(request.body) }),
      redirect: 'manual',
      signal,
    });
    const answer = await readAnswer(response);
    if (response.ok) return answer.result as T;
    throw failureOf(base.host, response.status, errorOf(answer), retryAfterMs(response.headers));
  }

  return async <T>(request: QdrantRequest, time: WorkTime = {}) => {
    const deadline = time.deadline ?? Date.now() + timeoutMs;
    const scope = callScope(time.signal ?? new AbortController().signal, deadline);
    /** The caller's time is up, or it has gone; where it set no time, it is the server that is too slow. */
    const ended = (cause: unknown) =>
      time.deadline === undefined && !time.signal?.aborted
        ? new KnarrError(
            'unavailable',
            `The vector store at ${base.host} takes too long: check QDRANT_URL.`,
            {
              cause,
            },
          )
        : KnarrError.from(scope.signal.reason);
    try {
      return await retrying(
        () =>
          attempt<T>(request, deadline, scope.signal).catch((thrown) => {
            if (scope.signal.aborted) throw ended(thrown);
            if (thrown instanceof KnarrError || thrown instanceof PassingFailure) throw thrown;
            const message = `The vector store at ${base.host} does not answer: check QDRANT_URL.`;
            throw new PassingFailure(new KnarrError('unavailable', message, { cause: thrown }));
          }),
        { ...RETRY, deadline, signal: scope.signal },
      );
    } catch (thrown) {
      if (thrown instanceof KnarrError) throw thrown;
      throw scope.signal.aborted ? ended(thrown) : KnarrError.from(thrown);
    } finally {
      scope.end();
    }
  };
}

interface Answer {
  result?: unknown;
  status?: string | { error?: string };
}

/** An answer that is no JSON comes from something in between; its status says what there is to say. */
async function readAnswer(response: Response): Promise<Answer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.byteLength;
    if (size > MAX_ANSWER_BYTES) throw new Error('The answer has no end in sight.');
    parts.push(part);
  }
  const text = Buffer.concat(parts, size).toString('utf8');
  try {
    return JSON.parse(text) as Answer;
  } catch (cause) {
    if (response.ok) throw new Error('The answer is no JSON.', { cause });
    return { status: { error: text } };
  }
}

const errorOf = ({ status }: Answer): string => (typeof status === 'object' ? status.error : undefined) ?? '';

/** With `wait` a write has been applied when it is answered, unless the server's time ran out meanwhile. */
export function checkWritten({ status }: Schemas['UpdateResult']): void {
  if (status === 'completed') return;
  throw new KnarrError('deadline_exceeded', `The vector store has not applied a write in time (${status}).`);
}

export const pathOf = (collection: string) => `/collections/${encodeURIComponent(collection)}`;

/** What is not there is undefined. */
export function absent(thrown: unknown): undefined {
  if (thrown instanceof KnarrError && thrown.code === 'unknown_collection') return undefined;
  throw thrown;
}
