import { createParser } from 'eventsource-parser';
import { type ErrorCode, KnarrError } from './errors.ts';
import { callScope, writeCall } from './runtime/call.ts';
import type { RunningStage } from './runtime/run.ts';
import type { Call, Progress, StageClient } from './stage.ts';
import type { StageKey } from './stage-key.ts';

export { httpPublisher } from './publisher.ts';

/** A stage in this process. */
export function localClient<In, Out>(running: Pick<RunningStage<In, Out>, 'call'>): StageClient<In, Out> {
  return async (input, call) => {
    if (call.signal.aborted) throw KnarrError.from(call.signal.reason);
    return running.call(input, call);
  };
}

const DEFAULT_TIMEOUT = 30_000;
/** Largest answer taken from a stage: 2,048 vectors of 4,096 dimensions as base64 are 44 MiB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export interface HttpClientOptions {
  /** Milliseconds that a call without a deadline may take. Default 30 s. */
  timeout?: number;
  /** Proves the calls. */
  key?: StageKey | undefined;
}

/**
 * A stage behind a URL. Its problem details become the KnarrError they were; no answer is `unavailable`, an answer that
 * cannot be read `upstream_failed`, and so is one that does not take the call for a stage's. Every call has a deadline.
 */
export function httpClient<In, Out>(
  url: string,
  { timeout = DEFAULT_TIMEOUT, key }: HttpClientOptions = {},
): StageClient<In, Out> {
  return async (input, call) => {
    const deadline = call.deadline ?? Date.now() + timeout;
    const scope = callScope(call.signal, deadline);
    try {
      const sent = { ...call, deadline, signal: scope.signal };
      const response = await request(url, JSON.stringify(input), sent, key);
      if (!response.ok) throw await errorOf(response);
      const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
      return isStream ? await readStream<Out>(response, call) : (JSON.parse(await readText(response)) as Out);
    } catch (thrown) {
      if (scope.signal.aborted) throw KnarrError.from(scope.signal.reason);
      if (thrown instanceof KnarrError) throw thrown;
      throw new KnarrError('upstream_failed', `${new URL(url).host} broke off or answers no JSON.`, {
        cause: thrown,
      });
    } finally {
      scope.end();
    }
  };
}

function request(url: string, body: string, call: Call, key: StageKey | undefined): Promise<Response> {
  const headers: Record<string, string> = {
    ...writeCall(call, key),
    'content-type': 'application/json',
    accept: call.onProgress ? 'text/event-stream' : 'application/json',
    // fetch would inflate without a limit.
    'accept-encoding': 'identity',
  };
  return fetch(url, { method: 'POST', headers, body, signal: call.signal, redirect: 'error' }).catch(
    (cause) => {
      if (call.signal.aborted) throw cause;
      throw new KnarrError('unavailable', `${new URL(url).host} does not answer.`, { cause });
    },
  );
}

/** Chunks of text, at most {@link MAX_ANSWER_BYTES} of them in all. */
async function* textOf(response: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.byteLength;
    if (size > MAX_ANSWER_BYTES)
      throw new KnarrError('upstream_failed', "The stage's answer has no end in sight.");
    yield decoder.decode(part, { stream: true });
  }
}

async function readText(response: Response): Promise<string> {
  let text = '';
  for await (const part of textOf(response)) text += part;
  return text;
}

/** What a status means when no problem details say it: an activator, a queue-proxy or a load balancer has answered. */
const CODES: Record<number, ErrorCode> = {
  400: 'invalid_request',
  413: 'too_large',
  422: 'unprocessable',
  429: 'too_many_requests',
  503: 'unavailable',
  504: 'deadline_exceeded',
};

async function errorOf(response: Response): Promise<KnarrError> {
  const retryAfter = Number(response.headers.get('retry-after') ?? 0);
  const text = await readText(response);
  let problem: ProblemBody = {};
  try {
    problem = (JSON.parse(text) ?? {}) as ProblemBody;
  } catch {
    // Not ours; its status says enough.
  }
  return toError(problem, response.status, retryAfter);
}

interface ProblemBody {
  code?: string;
  detail?: string;
}

function toError({ code, detail }: ProblemBody, status: number, retryAfter = 0): KnarrError {
  // It is this stage that was not believed, not whoever asks it.
  if (code === 'unauthenticated') {
    return new KnarrError('upstream_failed', 'A stage does not know this one: KNARR_STAGE_KEY differs.');
  }
  const known = code !== undefined && KnarrError.isCode(code) ? code : undefined;
  return new KnarrError(
    known ?? CODES[status] ?? 'upstream_failed',
    detail ?? `The stage answered ${status}.`,
    retryAfter > 0 ? { retryAfter } : {},
  );
}

async function readStream<Out>(response: Response, call: Call): Promise<Out> {
  let result: Out | undefined;
  let failure: KnarrError | undefined;
  const parser = createParser({
    onEvent({ event, data }) {
      const value = JSON.parse(data);
      if (event === 'progress') call.onProgress?.(value as Progress);
      else if (event === 'result') result = value as Out;
      else if (event === 'error') failure = toError(value, value.status);
    },
  });
  for await (const part of textOf(response)) parser.feed(part);
  if (failure) throw failure;
  if (result === undefined) throw new KnarrError('upstream_failed', 'The stage ended its answer early.');
  return result;
}
