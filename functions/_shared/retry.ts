import { setTimeout as sleep } from 'node:timers/promises';
import type { KnarrError } from './errors.ts';

/** Thrown by an attempt that may be repeated. `error` is what the caller gets when it was the last one. */
export class PassingFailure extends Error {
  override readonly name = 'PassingFailure';
  readonly error: KnarrError;
  /** What the server asked to wait, milliseconds. */
  readonly askedMs: number | undefined;
  constructor(error: KnarrError, askedMs?: number) {
    super(error.message, { cause: error });
    this.error = error;
    this.askedMs = askedMs;
  }
}

export interface RetryOptions {
  /** In all, the first included. */
  attempts: number;
  /** Pause after the first attempt, milliseconds; doubled each time, half of it random, so that callers do not return all at once. */
  firstPauseMs: number;
  /** Longest pause, milliseconds, also where a server asks for more. */
  longestPauseMs: number;
  /** Milliseconds since the epoch: no attempt is begun that could not start before it. */
  deadline?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** Repeats `work` while it throws a {@link PassingFailure}. Only for work whose repetition does no harm. */
export async function retrying<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (thrown) {
      if (!(thrown instanceof PassingFailure)) throw thrown;
      const backoff = options.firstPauseMs * 2 ** (attempt - 1) * (0.5 + Math.random() / 2);
      const pause = Math.min(options.longestPauseMs, Math.max(backoff, thrown.askedMs ?? 0));
      const isLate = Date.now() + pause >= (options.deadline ?? Number.POSITIVE_INFINITY);
      if (attempt >= options.attempts || isLate) throw thrown.error;
      await sleep(pause, undefined, options.signal ? { signal: options.signal } : {});
    }
  }
}

/** A response's `Retry-After` in milliseconds; undefined when there is none, or none in seconds. */
export function retryAfterMs(headers: Headers): number | undefined {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  return seconds >= 0 ? seconds * 1000 : undefined;
}
