import { KnarrError } from '../errors.ts';
import type { Logger } from '../stage.ts';

/** Age at which what was found is looked for again, ms. */
const FRESH_MS = 3_000;
/** Age at which it says too little to be the answer by itself, ms: nobody probes here. */
const OLD_MS = 30_000;
/** Longest that a probe waits while it cannot say yes, ms. One that is less patient finds the answer when it comes again. */
const PATIENCE_MS = 2_000;
/** Longest time to find out, ms: what has not answered by then counts as gone. */
const LIMIT_MS = 5_000;

/**
 * A readiness that never waits for the network while it is good: a probe is answered by what the last `check` found, and
 * has the next one made in the background, one at a time, as probes come. So a store that takes longer to answer than a
 * prober waits makes nobody unready, and any number of probes asks it once in {@link FRESH_MS}. Throws `unavailable`, or
 * what `check` threw; changes are logged, not each probe.
 */
export function createReadiness(check: () => Promise<void>, log: Logger): () => Promise<void> {
  let found: { at: number; failure: KnarrError | undefined } | undefined;
  let looking: Promise<void> | undefined;

  function note(failure?: KnarrError): void {
    if (failure && found?.failure === undefined) log.warn({ err: failure.cause ?? failure }, 'not ready');
    if (!failure && found?.failure) log.info({}, 'ready again');
    found = { at: performance.now(), failure };
  }

  async function look(): Promise<void> {
    const late = setTimeout(() => {
      note(new KnarrError('unavailable', `What this stage needs has not answered in ${LIMIT_MS / 1000} s.`));
    }, LIMIT_MS).unref();
    try {
      await check();
      note();
    } catch (thrown) {
      note(KnarrError.from(thrown));
    } finally {
      clearTimeout(late);
      looking = undefined;
    }
  }

  return async () => {
    const isGood = () => found !== undefined && found.failure === undefined;
    const age = found === undefined ? Number.POSITIVE_INFINITY : performance.now() - found.at;
    if (!isGood() || age > FRESH_MS) looking ??= look();
    if (looking && (!isGood() || age > OLD_MS)) await Promise.race([looking, patience()]);
    if (found === undefined)
      throw new KnarrError('unavailable', 'What this stage needs has not answered yet.');
    if (found.failure) throw found.failure;
  };
}

const patience = () => new Promise<void>((resolve) => setTimeout(resolve, PATIENCE_MS).unref());
