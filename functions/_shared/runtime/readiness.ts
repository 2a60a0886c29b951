import { KnarrError } from '../errors.ts';
import type { Logger } from '../stage.ts';

/** Age at which what was found is looked for again, ms. */
const FRESH_MS = 3_000;
/** Longest that a probe waits while it cannot say yes, ms: Knative's activator gives one up after 300. */
const PATIENCE_MS = 200;
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
    const isFresh = found !== undefined && performance.now() - found.at < FRESH_MS;
    if (!(isGood() && isFresh)) looking ??= look();
    if (looking && !isGood()) await Promise.race([looking, patience()]);
    if (found === undefined)
      throw new KnarrError('unavailable', 'What this stage needs has not answered yet.');
    if (found.failure) throw found.failure;
  };
}

const patience = () => new Promise<void>((resolve) => setTimeout(resolve, PATIENCE_MS).unref());
