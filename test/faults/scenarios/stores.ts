import { cp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Breach } from '../breach.ts';
import type { Scenario, Trial } from '../context.ts';
import { applyLoad } from '../load.ts';
import { send } from '../prober.ts';

/** Documents and vectors restored from different moments: the comparison makes them one again. */
export const restored: Scenario = {
  name: 'restored',
  stores: ['postgres'],
  drifts: true,
  async run(trial) {
    const { system, ledger, folder, postgres } = trial;
    if (!postgres) throw new Error('This needs documents on a server.');
    const vectors = join(folder, 'data', 'vectors');
    const load = (prefix: string) => applyLoad(trial, { documents: 40, updates: 0.4, deletes: 0.2, prefix });
    const rest = async (work: () => Promise<void>) => {
      await quiet(trial);
      await system.stop();
      await work();
      await system.start();
    };
    // Vectors older than the documents.
    await load('a');
    await rest(() => cp(vectors, `${vectors}.kept`, { recursive: true }));
    await applyLoad(trial, { documents: 40, updates: 0.4, deletes: 0.5, prefix: 'a' });
    await rest(async () => {
      await rm(vectors, { recursive: true });
      await rename(`${vectors}.kept`, vectors);
    });
    const older = await compare(trial);
    // Documents older than the vectors.
    await quiet(trial);
    await system.stop();
    const restore = await postgres.snapshot();
    const before = ledger.begun;
    await system.start();
    await applyLoad(trial, { documents: 60, updates: 0.4, deletes: 0.3, prefix: 'a' });
    await rest(restore);
    ledger.undoSince(before);
    const newer = await compare(trial);
    return { drift_of_older_vectors: older, drift_of_newer_vectors: newer };
  },
};

/** Waits until every document has ended. */
export async function quiet({ system, tenants }: Trial): Promise<void> {
  for (let waited = 0; waited < 120_000; waited += 200) {
    const open = await Promise.all(
      tenants.flatMap((tenant) =>
        ['accepted', 'chunked', 'embedded'].map(async (state) => {
          const page = await send(system.url, tenant, 'GET', `/v1/documents?state=${state}&limit=1`);
          return page?.body?.documents?.length ?? 1;
        }),
      ),
    );
    if (open.every((count) => count === 0)) return;
    await sleep(200);
  }
}

async function compare({ system, tenants: [tenant] }: Trial): Promise<number> {
  if (!tenant) return 0;
  const answer = await send(system.url, tenant, 'POST', '/v1/admin/reconcile', { repair: true });
  if (answer?.status !== 200) throw new Error(`The comparison was answered ${answer?.status}.`);
  const drift = answer.body;
  const sum = drift.missing + drift.phantom + drift.duplicate + drift.wrong_hash;
  if (sum === 0) throw new Error('There was no drift to repair: this tested nothing.');
  return sum;
}

/** A database that stands still: questions end by their budget, liveness answers, and all goes on afterwards. */
export const frozen: Scenario = {
  name: 'frozen-postgres',
  stores: ['postgres'],
  async run(trial) {
    const { system, tenants, postgres } = trial;
    const [tenant] = tenants;
    if (!postgres || !tenant) throw new Error('This needs documents on a server.');
    await applyLoad(trial, { documents: 30, updates: 0, deletes: 0 });
    await quiet(trial);
    const BUDGET_MS = 1000;
    const thaw = postgres.freeze();
    const frozenAt = Date.now();
    const writing = applyLoad(trial, { documents: 10, updates: 0.5, deletes: 0, prefix: 'f', lanes: 2 });
    // Heard of when it is waited for, and not before.
    writing.catch(() => {});
    const late: number[] = [];
    const live: number[] = [];
    let questions = 0;
    try {
      while (Date.now() - frozenAt < 5000) {
        const asked = Array.from({ length: 5 }, async () => {
          const started = performance.now();
          const body = { question: 'What does the document say?', budget_ms: BUDGET_MS };
          const answer = await send(system.url, tenant, 'POST', '/v1/rag', body);
          late.push(performance.now() - started);
          questions++;
          if (!answer) throw new Breach('A question got no answer.');
        });
        const started = performance.now();
        const answer = await send(system.url, tenant, 'GET', '/health/liveness');
        live.push(performance.now() - started);
        if (answer?.status !== 200) throw new Breach('Liveness failed.');
        await Promise.all(asked);
      }
    } finally {
      thaw();
    }
    await writing;
    const slowest = Math.max(...late);
    if (slowest > BUDGET_MS * 1.1)
      throw new Breach(`A question took ${Math.round(slowest)} ms of ${BUDGET_MS}.`);
    return { questions, slowest_ms: Math.round(slowest), liveness_ms: Math.round(Math.max(...live)) };
  },
};
