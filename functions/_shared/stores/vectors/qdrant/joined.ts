import { KnarrError } from '../../../errors.ts';
import { callScope } from '../../../runtime/call.ts';
import type { WorkTime } from '../port.ts';

/**
 * The outcome of work that others wait for too, as long as this caller does: when it goes away, or its time is up, the work
 * goes on. Throws what the work throws, `cancelled` and `deadline_exceeded`.
 */
export async function joined<T>(work: Promise<T>, { signal, deadline }: WorkTime = {}): Promise<T> {
  const scope = callScope(signal ?? new AbortController().signal, deadline);
  let leave = () => {};
  const gone = new Promise<never>((_, reject) => {
    leave = () => reject(KnarrError.from(scope.signal.reason));
    if (scope.signal.aborted) leave();
    else scope.signal.addEventListener('abort', leave, { once: true });
  });
  try {
    return await Promise.race([work, gone]);
  } finally {
    scope.signal.removeEventListener('abort', leave);
    scope.end();
  }
}
