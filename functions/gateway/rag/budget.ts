import { KnarrError } from '../../_shared/errors.ts';
import type { Call } from '../../_shared/stage.ts';

/** Milliseconds kept back for writing the response. */
const RESPONSE_RESERVE_MS = 2;
/** A step with less than this, in milliseconds, is not begun: it could only cost others their time. */
const MIN_STEP_MS = 2;
/** A step is told a deadline earlier than its cut by this, in milliseconds, so that it can end by itself with what it has. */
const GRACE_MS = 5;

/** What is left of a question's time. */
export interface Budget {
  /** Milliseconds until the time is up; negative afterwards. */
  left(): number;
  /**
   * Runs a step with at most `share` (0 to 1] of what is left. Rejects with `deadline_exceeded` when that is used up and
   * with `cancelled` when the caller has gone, whether or not the step heeds its signal.
   */
  run<T>(call: Call, step: (call: Call) => Promise<T>, share?: number): Promise<T>;
}

/** @param until milliseconds since the epoch at which the response must be on its way. */
export function budgetUntil(until: number): Budget {
  const left = () => until - RESPONSE_RESERVE_MS - Date.now();
  return {
    left,
    async run(call, step, share = 1) {
      const time = left() * share;
      if (call.signal.aborted) throw abortError(call.signal);
      if (time < MIN_STEP_MS) throw tooLate();
      const controller = new AbortController();
      let onAbort = () => {};
      let timer: NodeJS.Timeout | undefined;
      const stopped = new Promise<never>((_, reject) => {
        const stop = (reason: KnarrError) => {
          reject(reason);
          controller.abort(reason);
        };
        onAbort = () => stop(abortError(call.signal));
        timer = setTimeout(() => stop(tooLate()), time);
      });
      call.signal.addEventListener('abort', onAbort, { once: true });
      const deadline = Date.now() + Math.floor(time - Math.min(GRACE_MS, time / 4));
      try {
        return await Promise.race([step({ ...call, deadline, signal: controller.signal }), stopped]);
      } finally {
        clearTimeout(timer);
        call.signal.removeEventListener('abort', onAbort);
      }
    },
  };
}

const tooLate = () => new KnarrError('deadline_exceeded', 'The time for this step was up.');

function abortError(signal: AbortSignal): KnarrError {
  return KnarrError.from(signal.reason instanceof Error ? signal.reason : new DOMException('', 'AbortError'));
}
