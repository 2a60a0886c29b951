import { setTimeout as sleep } from 'node:timers/promises';
import { KnarrError } from '../../_shared/errors.ts';
import type { ChatModel, CompleteOptions, Finish } from '../prompted/generator.ts';
import type { ChatMessage } from '../prompted/prompt.ts';
import { readCompletion } from './stream.ts';

export interface OpenAIOptions {
  /** Up to and including `/v1`. */
  baseUrl: string;
  apiKey?: string | undefined;
  model: string;
  maxTokens: number;
  temperature: number;
  topP: number;
  /** Milliseconds until the first piece of text must have come, all attempts together. */
  firstTokenMs: number;
  /** Milliseconds for the whole text. */
  totalMs: number;
}

const ATTEMPTS = 4;
const BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 2_000;
/** Milliseconds before the deadline at which a text that has begun is ended, so that it still reaches the caller. */
const RESERVE_MS = 5;

/**
 * A model behind an OpenAI-compatible server. A request that fails before its first piece of text, by 429, 5xx or a
 * broken connection, is tried again while time is left; later failures are `upstream_failed`.
 */
export function createOpenAIModel(options: OpenAIOptions): ChatModel {
  return {
    model: options.model,
    complete: (messages, call) => complete(options, messages, call),
    ready: async () => {},
    close: async () => {},
  };
}

/** Thrown for a failure that another attempt may not have. */
class Transient extends Error {
  readonly pauseMs: number | undefined;
  constructor(message: string, pauseMs?: number, cause?: unknown) {
    super(message, { cause });
    this.pauseMs = pauseMs;
  }
}

async function complete(
  options: OpenAIOptions,
  messages: readonly ChatMessage[],
  { signal, deadline, onText }: CompleteOptions,
): Promise<Finish> {
  const limit = new AbortController();
  const end = Math.min(Date.now() + options.totalMs, (deadline ?? Number.POSITIVE_INFINITY) - RESERVE_MS);
  const timer = setTimeout(() => limit.abort(), Math.max(0, end - Date.now()));
  const firstTimer = setTimeout(() => limit.abort(), options.firstTokenMs);
  const scope = AbortSignal.any([signal, limit.signal]);
  let hasBegun = false;
  const pass = (text: string) => {
    hasBegun = true;
    clearTimeout(firstTimer);
    onText(text);
  };
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await request(options, messages, scope);
        return await readCompletion(response, pass);
      } catch (thrown) {
        if (signal.aborted) throw KnarrError.from(signal.reason);
        if (limit.signal.aborted) {
          if (hasBegun) return 'deadline';
          throw tooLate(deadline);
        }
        if (hasBegun) throw brokeOff(thrown);
        if (thrown instanceof KnarrError) throw thrown;
        const asked = thrown instanceof Transient ? thrown.pauseMs : undefined;
        const pause =
          asked ?? Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** attempt) * (0.5 + Math.random() / 2);
        if (attempt === ATTEMPTS || Date.now() + pause >= end) {
          throw new KnarrError('unavailable', 'The language model server does not answer.', {
            cause: thrown,
          });
        }
        await sleep(pause, undefined, { signal: scope }).catch(() => {});
      }
    }
  } finally {
    clearTimeout(timer);
    clearTimeout(firstTimer);
    // Ends a request that is still open.
    limit.abort();
  }
}

const tooLate = (deadline: number | undefined) =>
  deadline !== undefined && Date.now() >= deadline - RESERVE_MS
    ? new KnarrError('deadline_exceeded', 'The language model server did not begin before the deadline.')
    : new KnarrError('unavailable', 'The language model server did not begin to answer in time.');

function brokeOff(cause: unknown): KnarrError {
  if (cause instanceof KnarrError) return cause;
  return new KnarrError('upstream_failed', 'The language model server broke off its answer.', { cause });
}

async function request(
  { baseUrl, apiKey, model, maxTokens, temperature, topP }: OpenAIOptions,
  messages: readonly ChatMessage[],
  signal: AbortSignal,
): Promise<Response> {
  const response = await fetch(`${baseUrl.replace(/\/+$/, '')}/chat/completions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      ...(apiKey ? { authorization: `Bearer ${apiKey}` } : {}),
    },
    body: JSON.stringify({ model, messages, stream: true, max_tokens: maxTokens, temperature, top_p: topP }),
    signal,
    // A redirect could carry the key elsewhere.
    redirect: 'error',
  });
  if (response.ok) return response;
  await response.body?.cancel();
  const { status } = response;
  if (status !== 408 && status !== 429 && status < 500) {
    throw new KnarrError('upstream_failed', `The language model server refused the request with ${status}.`);
  }
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  throw new Transient(`status ${status}`, seconds >= 0 ? seconds * 1000 : undefined);
}
