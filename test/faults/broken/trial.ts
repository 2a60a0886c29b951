import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Report } from '../context.ts';
import type { BrokenBuild, CatchingScenario, CatchingTest } from './build.ts';
import type { Copy } from './copy.ts';

/** How a broken build fared. */
export interface Outcome {
  build: BrokenBuild;
  places: string[];
  caught: boolean;
  /** What was seen, or why it does not count. */
  seen: string;
  seconds: number;
}

/** Longest that one scenario or test file may take, ms. */
const TIMEOUT_MS = 600_000;
/** What a broken system may take to come to rest, seconds: it often never does. */
const SETTLE_S = 30;

/** Breaks the copy, lets the one who has to notice look at it, and makes it whole again. */
export async function tryBuild(copy: Copy, build: BrokenBuild, seed: number, log: string): Promise<Outcome> {
  const started = performance.now();
  const { places, restore } = copy.apply(build);
  try {
    const setup = ['--input-type=module', '-e', "await (await import('./scripts/vitest-setup.mjs')).setup()"];
    const isBuilt = (await copy.node(setup, { timeoutMs: TIMEOUT_MS, log })) === 0;
    const { caughtBy } = build;
    const found = !isBuilt
      ? { caught: false, seen: 'it could not be built' }
      : 'scenario' in caughtBy
        ? await runScenario(copy, caughtBy, seed, log)
        : await runTest(copy, caughtBy, log);
    return { build, places, ...found, seconds: Math.round((performance.now() - started) / 1000) };
  } finally {
    restore();
  }
}

type Found = Pick<Outcome, 'caught' | 'seen'>;

async function runScenario(copy: Copy, by: CatchingScenario, seed: number, log: string): Promise<Found> {
  const { scenario, store = 'pglite', scale = 0.4, sees } = by;
  const report = join(copy.folder, 'report.jsonl');
  rmSync(report, { force: true });
  const options = { scenario, store, scale, seed, settle: SETTLE_S, report };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  await copy.node(['--import', 'tsx', 'test/faults/main.ts', ...args], { timeoutMs: TIMEOUT_MS, log });
  if (!existsSync(report)) return { caught: false, seen: 'the scenario could not be run' };
  const { breach, verdict } = JSON.parse(readFileSync(report, 'utf8')) as Report;
  if (breach !== undefined)
    return { caught: sees instanceof RegExp && sees.test(breach), seen: breach.slice(0, 120) };
  const counted = Object.entries(verdict ?? {}).filter(([, count]) => typeof count === 'number' && count > 0);
  const seen = counted.map(([kind, count]) => `${kind} ${count}`).join(', ') || 'nothing';
  return {
    caught: !(sees instanceof RegExp) && counted.some(([kind]) => sees.includes(kind as never)),
    seen,
  };
}

interface TestReport {
  testResults: { assertionResults: { title: string; status: string; failureMessages: string[] }[] }[];
}

async function runTest(copy: Copy, by: CatchingTest, log: string): Promise<Found> {
  const { file, test, sees = /^(AssertionError|Error: (expect|promise))/, env = {} } = by;
  const report = join(copy.folder, 'report.json');
  rmSync(report, { force: true });
  const args = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const only = test === undefined ? [] : ['-t', test.replace(/[^\w\s]/g, '.')];
  await copy.node(['node_modules/vitest/vitest.mjs', 'run', file, ...only, ...args], {
    timeoutMs: TIMEOUT_MS,
    log,
    env,
  });
  if (!existsSync(report)) return { caught: false, seen: 'the test could not be run' };
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as TestReport;
  const results = testResults.flatMap(({ assertionResults }) => assertionResults);
  const named = results.filter(({ title }) => test === undefined || title === test);
  if (named.length === 0) return { caught: false, seen: 'there is no such test, or it could not be loaded' };
  // So Vitest's report calls a test that has run out of time.
  const failures = named
    .flatMap(({ failureMessages }) => failureMessages)
    .map((message) => message.replace('Error: STACK_TRACE_ERROR', 'It timed out.'));
  const failure = failures.find((message) => sees.test(message)) ?? failures[0];
  if (failure === undefined) return { caught: false, seen: 'nothing' };
  return { caught: sees.test(failure), seen: failure.split('\n')[0]?.slice(0, 120) ?? '' };
}
