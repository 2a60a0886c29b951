import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { postgresMissing, startPostgres, type TestPostgres } from '../support/postgres.ts';
import type { Faults } from './boundaries.ts';
import { Breach } from './breach.ts';
import { Ledger } from './ledger.ts';
import { judge, type Verdict, VIOLATIONS } from './oracle.ts';
import { createProber, type Prober, type Tenant } from './prober.ts';
import { type Random, seeded } from './random.ts';
import { createSystem, type System, type SystemOptions } from './system.ts';
import { createTenants } from './tenants.ts';

export type Store = 'pglite' | 'postgres';

export interface RunOptions {
  store: Store;
  seed: number;
  /** 1: the short form; larger, as much longer. */
  scale: number;
  /** How long the system may take to come to rest, milliseconds. */
  settleMs?: number | undefined;
}

/** What a scenario works with. */
export interface Trial {
  system: System;
  prober: Prober;
  ledger: Ledger;
  tenants: readonly Tenant[];
  random: Random;
  scale: number;
  folder: string;
  /** The server of the documents, where they are on one. */
  postgres: TestPostgres | undefined;
}

export interface Report {
  scenario: string;
  store: Store;
  seed: number;
  seconds: number;
  /** Requests that were acknowledged. */
  acknowledged: number;
  /** Faults that happened, by kind. */
  faults: Record<string, number>;
  /** What the scenario itself saw broken; then the oracle was not asked. */
  breach?: string;
  violations: number;
  verdict?: Verdict;
}

export interface Scenario {
  name: string;
  tenants?: number;
  faults?: Faults;
  /** Stores that it makes sense on. Default all. */
  stores?: readonly Store[];
  /** How the system is made up. Default: one process. */
  arrange?(options: SystemOptions): System;
  /** It puts ledger and vector store out of step, for the comparison to repair. */
  drifts?: boolean;
  /** Does its worst; says what it did. Throws a {@link Breach} for a violation of its own. */
  run(trial: Trial): Promise<Record<string, number>>;
}

/** Runs a scenario on a store of its own, then lets the oracle judge. */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<Report> {
  const started = performance.now();
  const folder = await mkdtemp(join(tmpdir(), `knarr-faults-${scenario.name}-`));
  const postgres = options.store === 'postgres' ? await startPostgres() : undefined;
  const env: Record<string, string> = postgres ? { DATABASE_URL: postgres.url } : {};
  const tenants = await createTenants(scenario.tenants ?? 2, {
    ...env,
    KNARR_DATA_DIR: join(folder, 'data'),
  });
  const system = (scenario.arrange ?? createSystem)({
    folder,
    port: await freePort(),
    env: { ...env, KNARR_AUTH: 'keys', KNARR_OPERATOR_TENANT: 'tenant-0' },
  });
  system.faults = { seed: options.seed, ...scenario.faults };
  const random = seeded(options.seed);
  const ledger = new Ledger(join(folder, 'ledger.jsonl'));
  const report = (found: Pick<Report, 'breach' | 'verdict' | 'violations'>, faults: Report['faults']) => ({
    scenario: scenario.name,
    store: options.store,
    seed: options.seed,
    seconds: Math.round((performance.now() - started) / 1000),
    acknowledged: ledger.acknowledged,
    faults: { ...faults, ...countLines(join(folder, 'faults.log')) },
    ...found,
  });
  let clean = false;
  try {
    await system.start();
    const prober = createProber(system.url, ledger, random);
    const faults = await scenario.run({
      system,
      prober,
      ledger,
      tenants,
      random,
      scale: options.scale,
      folder,
      postgres,
    });
    const { settleMs } = options;
    const verdict = await judge(system.url, tenants, ledger, { settleMs, drifts: scenario.drifts });
    verdict.resurrected += prober.stale.length;
    verdict.examples.push(...prober.stale.map((what) => `resurrected: ${what}`).slice(0, 20));
    const violations = VIOLATIONS.reduce((sum, kind) => sum + verdict[kind], 0);
    clean = violations === 0;
    return report({ violations, verdict }, { ...faults, retries: prober.retries });
  } catch (thrown) {
    if (!(thrown instanceof Breach)) throw thrown;
    return report({ violations: 1, breach: thrown.message }, {});
  } finally {
    ledger.close();
    await system.stop().catch(() => {});
    await postgres?.stop();
    // What is left tells what went wrong.
    if (clean) await rm(folder, { recursive: true, force: true });
    else process.stderr.write(`${scenario.name}: its log, ledger and data are in ${folder}\n`);
  }
}

function countLines(file: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const line of existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []) {
    counts[line] = (counts[line] ?? 0) + 1;
  }
  return counts;
}

export const storesHere = (): Store[] => (postgresMissing() ? ['pglite'] : ['pglite', 'postgres']);

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}
