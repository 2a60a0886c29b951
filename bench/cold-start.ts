import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Table from 'cli-table3';
import { STAGES, type StageName } from '../functions/_shared/stage.ts';
import { builtStage, ensureBuilt } from '../test/support/arrangements/build.ts';
import { namespacesMissing, openNetwork } from '../test/support/arrangements/namespaces.ts';
import { queueProxyMissing, SERVING_PORT, startPod } from '../test/support/arrangements/queue-proxy.ts';
import { openSharedStores } from '../test/support/arrangements/stores.ts';
import { freePort } from '../test/support/ports.ts';
import { postgresMissing } from '../test/support/postgres.ts';
import { closerOf, startProgram } from '../test/support/program.ts';
import { quantile } from './machine.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 9);

/** Milliseconds from the start of a process to its first answer to readiness, and how much of a CPU it has used by then. */
interface ColdStart {
  ms: number;
  cpu?: number;
}
type Start = (stage: StageName, env: Record<string, string>) => Promise<ColdStart>;

/**
 * Cold starts, from the start of the process (behind queue-proxy: of both) to the first answer: stages and ways interleaved,
 * round by round. A stage is ready once its stores and its model are.
 */
export async function coldStartBench(): Promise<void> {
  const missing = postgresMissing() ?? namespacesMissing() ?? queueProxyMissing();
  if (missing) return console.log(`not run: ${missing}`);
  await ensureBuilt();
  const closers: (() => unknown)[] = [];
  const close = closerOf(closers);
  try {
    const stores = await openSharedStores();
    closers.push(() => stores.close());
    const network = await openNetwork();
    closers.push(() => network.close());
    const pods = new Map(STAGES.map((stage) => [stage, network.add(stage)]));
    const cache = await mkdtemp(join(tmpdir(), 'knarr-compile-cache-'));
    closers.push(() => rm(cache, { recursive: true, force: true }));

    const cached = { NODE_COMPILE_CACHE: cache };
    const behindProxy: Start = async (stage, env) => {
      const { namespace, address } = pods.get(stage) as { namespace: string; address: string };
      const started = performance.now();
      const pod = await startPod(stage, env, namespace);
      const ms = await firstAnswer(`http://${address}:${SERVING_PORT}`, started);
      await pod.stop();
      return { ms };
    };
    const ways: Record<string, Start> = {
      'its process': (stage, env) => alone(stage, env),
      'with compile cache': (stage, env) => alone(stage, { ...env, ...cached }),
      'and queue-proxy': (stage, env) => behindProxy(stage, { ...env, ...cached }),
    };
    const env = (stage: StageName): Record<string, string> => ({
      ...stores.env,
      K_SINK: 'http://127.0.0.1:9/',
      KNARR_STAGE_KEY: 'none',
      ...(stage === 'gateway' && { KNARR_AUTH: 'keys' }),
    });

    const taken = new Map<string, ColdStart[]>();
    // The first round fills caches and is not counted.
    for (let round = -1; round < ROUNDS; round++) {
      for (const stage of STAGES) {
        for (const [way, start] of Object.entries(ways)) {
          const one = await start(stage, env(stage));
          const key = `${stage} ${way}`;
          if (round >= 0) taken.set(key, [...(taken.get(key) ?? []), one]);
        }
      }
    }
    const table = new Table({
      head: ['stage', 'bundle, kB', ...Object.keys(ways).map((way) => `${way}, ms`)],
    });
    for (const stage of STAGES) {
      const cells = Object.keys(ways).map((way) => shown(taken.get(`${stage} ${way}`) ?? []));
      table.push([stage, await bundleSize(stage), ...cells]);
    }
    console.log(table.toString());
    console.log(
      `median (least) of ${ROUNDS}; the compile cache ${(await readdir(cache)).length > 0 ? 'was used' : 'takes Node 22'}`,
    );
  } finally {
    await close();
  }
}

async function alone(stage: StageName, env: Record<string, string>): Promise<ColdStart> {
  const port = await freePort();
  const started = performance.now();
  const program = startProgram(process.execPath, ['start.js'], {
    cwd: builtStage(stage),
    env: { ...env, PORT: String(port), LOG_LEVEL: 'warn' },
  });
  const ms = await firstAnswer(`http://127.0.0.1:${port}`, started);
  const cpu = await cpuOf(program.pid);
  await program.stop();
  return { ms, cpu };
}

/** Milliseconds of CPU that a process has used, in hundredths of a second. */
async function cpuOf(pid: number): Promise<number> {
  const [user, system] = (await readFile(`/proc/${pid}/stat`, 'utf8'))
    .replace(/^.*\) /s, '')
    .split(' ')
    .slice(11, 13);
  return (Number(user) + Number(system)) * 10;
}

async function firstAnswer(url: string, started: number): Promise<number> {
  for (;;) {
    const ok = await fetch(`${url}/health/readiness`).then(
      (answer) => answer.ok,
      () => false,
    );
    const ms = performance.now() - started;
    if (ok) return ms;
    if (ms > 60_000) throw new Error(`${url} does not answer.`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function shown(sample: readonly ColdStart[]): string {
  const median = (of: (one: ColdStart) => number) => quantile(sample.map(of), 0.5).toFixed(0);
  const cpu = sample[0]?.cpu === undefined ? '' : `, CPU ${median((one) => one.cpu ?? 0)}`;
  return `${median(({ ms }) => ms)} (${Math.min(...sample.map(({ ms }) => ms)).toFixed(0)})${cpu}`;
}
const bundleSize = async (stage: StageName) =>
  ((await stat(join(builtStage(stage), 'index.js'))).size / 1000).toFixed(0);
