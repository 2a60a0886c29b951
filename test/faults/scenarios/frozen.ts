import { setTimeout as sleep } from 'node:timers/promises';
import { Breach } from '../breach.ts';
import type { Scenario, Trial } from '../context.ts';
import { applyLoad } from '../load.ts';
import { send } from '../prober.ts';
import { createStages, type Part } from '../stages.ts';
import { quiet } from './stores.ts';

const BUDGET_MS = 2000;
/** A call may outlive its deadline by a tenth of its time. */
const LONGEST_MS = BUDGET_MS * 1.1;

/** What a question has to do without while a process stands still. */
const MISSING: Partial<Record<Part, readonly string[]>> = {
  embed: ['embed'],
  generate: ['generate'],
  keeping: ['search', 'fetch', 'generate'],
};

/** How other calls end meanwhile; what is not named here succeeds. */
const FAILING: Partial<Record<Part, Record<string, number>>> = {
  embed: { '/v1/embeddings': 504 },
  keeping: { '/v1/search': 504 },
};

const CALLS: readonly [path: string, body: object][] = [
  ['/v1/search', { query: 'What does the document say?' }],
  ['/v1/embeddings', { input: 'What does the document say?' }],
];

/**
 * Stages as processes, of which each stands still in turn (SIGSTOP): documents are accepted all the same, every call ends
 * by its deadline with what can be had, and all goes on afterwards.
 */
export const frozenStage: Scenario = {
  name: 'frozen-stage',
  stores: ['postgres'],
  arrange: (options) =>
    createStages({ ...options, env: { ...options.env, KNARR_DEFAULT_BUDGET: `${BUDGET_MS}ms` } }),
  async run(trial) {
    const { system, random, scale } = trial;
    await applyLoad(trial, { documents: 20, updates: 0.2, deletes: 0 });
    await quiet(trial);
    const seen: Seen = { calls: 0, slowest_ms: 0, liveness_ms: 0 };
    const parts = random.shuffle(Object.keys(MISSING) as Part[]);
    const rounds = scale > 1 ? 5 : 1;
    for (let round = 0; round < rounds; round++) {
      for (const part of parts) {
        system.kill('SIGSTOP', part);
        try {
          const prefix = `${part}${round}-`;
          // Only the gateway and the database are needed for this.
          const writing = applyLoad(trial, { documents: 6, updates: 0.5, deletes: 0.2, prefix, lanes: 2 });
          await Promise.all([writing, probe(trial, part, scale > 1 ? 5 : 2, seen)]);
        } finally {
          system.kill('SIGCONT', part);
        }
        await quiet(trial);
      }
    }
    return { freezes: rounds * parts.length, ...seen };
  },
};

type Seen = Record<'calls' | 'slowest_ms' | 'liveness_ms', number>;

async function probe(trial: Trial, part: Part, waves: number, seen: Seen): Promise<void> {
  const { system, tenants } = trial;
  const [tenant] = tenants as [(typeof tenants)[number]];
  const call = async (path: string, body: object) => {
    const started = performance.now();
    const answer = await send(system.url, tenant, 'POST', path, body);
    const took = Math.round(performance.now() - started);
    seen.calls++;
    seen.slowest_ms = Math.max(seen.slowest_ms, took);
    if (took > LONGEST_MS)
      throw new Breach(`${path} took ${took} ms of ${BUDGET_MS} while ${part} stood still.`);
    return answer;
  };
  let waiting = true;
  const living = (async () => {
    while (waiting) {
      const started = performance.now();
      const answer = await send(system.url, tenant, 'GET', '/health/liveness');
      seen.liveness_ms = Math.max(seen.liveness_ms, Math.round(performance.now() - started));
      if (answer?.status !== 200)
        throw new Breach(`Liveness was ${answer?.status} while ${part} stood still.`);
      await sleep(50);
    }
  })();
  try {
    for (let wave = 0; wave < waves; wave++) {
      const questions = Array.from({ length: 3 }, async () => {
        const body = { question: 'What does the document say?', budget_ms: BUDGET_MS };
        const answer = await call('/v1/rag', body);
        const missing = answer?.body?.degraded ?? [];
        if (answer?.status !== 200 || !MISSING[part]?.every((step) => missing.includes(step)))
          throw new Breach(`${part} stood still: ${answer?.status} ${JSON.stringify(answer?.body)}`);
      });
      const others = CALLS.map(async ([path, body]) => {
        const { status } = (await call(path, body)) ?? {};
        const expected = FAILING[part]?.[path] ?? 200;
        if (status !== expected)
          throw new Breach(`${path} was answered ${status} while ${part} stood still.`);
      });
      await Promise.all([...questions, ...others]);
    }
  } finally {
    waiting = false;
  }
  await living;
}
