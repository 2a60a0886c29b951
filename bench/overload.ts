import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';
import { apiClient } from '../functions/_local/cli/client.ts';
import { ingestSources } from '../functions/_local/cli/send.ts';
import { expandSources } from '../functions/_local/cli/sources.ts';
import { createTenants } from '../test/faults/tenants.ts';
import { writeDocuments } from './documents.ts';
import { quantile } from './machine.ts';
import type { Load, Outcome, Stream, Task } from './overload/load.ts';
import { type Server, startServer } from './server.ts';

const TENANTS = 5;
const DOCUMENTS = 40;
const ROUNDS = 6;
const SLICE_SECONDS = 2;
/** Questions at once that find the capacity. */
const LANES = 16;
const OVERLOAD = 10;
/** What tenants other than the noisy one ask of the capacity, together. */
const OTHERS = 0.4;
/** A second, beside the flood. */
const PROBE: Stream = { name: 'liveness', token: '', rate: 20, isProbe: true };
const AGREED = { goodput: 0.8, refusedMs: 100, neighbours: 2 };

type Offer = (streams: Stream[], seconds?: number) => Promise<Load & { serverCpu: number }>;

/** Ten times what one process can answer, and a tenant that asks ten times its share: what is left for whom. */
export async function overloadBench(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'knarr-bench-'));
  const data = join(folder, 'data');
  const tenants = await createTenants(TENANTS, { KNARR_DATA_DIR: data });
  await writeDocuments(join(folder, 'documents'), DOCUMENTS);
  const server = await startServer(data, { KNARR_AUTH: 'keys' });
  const loader = fork(fileURLToPath(new URL('overload/load.ts', import.meta.url)), {
    execArgv: ['--import', 'tsx'],
  });
  try {
    const sources = await expandSources([join(folder, 'documents')]);
    for (const { token } of tenants) {
      const client = apiClient(server.url, token);
      await ingestSources(client, sources, { collection: 'default', concurrency: 8 });
    }
    const streams = tenants.map(({ name, token = '' }) => ({ name, token }));
    await measure(server, streams, offering(server, loader));
  } finally {
    loader.kill();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function offering(server: Server, loader: ReturnType<typeof fork>): Offer {
  const ended = once(loader, 'exit').then(() => Promise.reject(new Error('The load ended early.')));
  ended.catch(() => {});
  return async (streams, seconds = SLICE_SECONDS) => {
    const before = await server.cpu();
    loader.send({ url: server.url, seconds, streams } satisfies Task);
    const [load] = (await Promise.race([once(loader, 'message'), ended])) as [Load];
    return { ...load, serverCpu: (await server.cpu()) - before };
  };
}

async function measure(server: Server, tenants: Stream[], offer: Offer): Promise<void> {
  const [noisy, ...others] = tenants as [Stream, ...Stream[]];
  const closed = tenants.map((tenant) => ({ ...tenant, lanes: Math.ceil(LANES / TENANTS) }));
  // Warm-up, which also says how much to ask of it in the first round.
  await offer(closed, 2 * SLICE_SECONDS);
  const warm = await server.rss();

  const figures = {
    capacity: [],
    goodput: [],
    served: [],
    refused: [],
    liveness: [],
    alone: [],
    beside: [],
  } as Record<'capacity' | 'goodput' | 'served' | 'refused' | 'liveness' | 'alone' | 'beside', number[]>;
  const ratios = { goodput: [] as number[], perCpu: [] as number[], neighbours: [] as number[] };
  const strays: Record<string, number> = {};
  let [spent, loading, sent] = [0, 0, 0];
  let peak = warm;
  let turnedAway = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const calmly = await offer(closed);
    const capacity = perSecond(calmly);
    figures.capacity.push(capacity);

    const rate = (OVERLOAD * capacity) / TENANTS;
    const flood = await offer([...tenants.map((tenant) => ({ ...tenant, rate })), PROBE]);
    const over = { ...flood, outcomes: flood.outcomes.filter(({ name }) => name !== PROBE.name) };
    figures.liveness.push(...(flood.outcomes.at(-1)?.served ?? []));
    const goodput = perSecond(over);
    figures.goodput.push(goodput);
    ratios.goodput.push(goodput / capacity);
    ratios.perCpu.push(perCpu(over) / perCpu(calmly));
    figures.served.push(...all(over, 'served'));
    figures.refused.push(...all(over, 'refused'));
    spent += over.serverCpu;
    loading += over.cpu;
    sent += over.seconds;
    peak = Math.max(peak, await server.rss());
    addTo(strays, over.outcomes);

    const calm = others.map((tenant) => ({ ...tenant, rate: (OTHERS * capacity) / others.length }));
    const alone = await offer(calm);
    const beside = await offer([...calm, { ...noisy, rate: (OVERLOAD * capacity) / TENANTS }]);
    const theirs = { outcomes: beside.outcomes.filter(({ name }) => name !== noisy.name) };
    figures.alone.push(...all(alone, 'served'));
    figures.beside.push(...all(theirs, 'served'));
    ratios.neighbours.push(quantile(all(theirs, 'served'), 0.99) / quantile(all(alone, 'served'), 0.99));
    turnedAway += all(theirs, 'refused').length;
    addTo(strays, [...alone.outcomes, ...beside.outcomes]);
  }

  console.log(
    `One server process and one process of load on ${availableParallelism()} CPUs, load average ${loadavg()[0]?.toFixed(1)}; ` +
      `${TENANTS} tenants of ${DOCUMENTS} documents, ${ROUNDS} rounds of ${SLICE_SECONDS} s slices. ` +
      `During overload the server had ${(spent / sent).toFixed(2)} CPUs and the load ${(loading / sent).toFixed(2)}.`,
  );
  const table = new Table({ head: ['figure', 'p50', 'p99', 'note'] });
  const row = (name: string, sample: readonly number[], note: string) =>
    table.push([name, quantile(sample, 0.5).toFixed(1), quantile(sample, 0.99).toFixed(1), note]);
  const median = (sample: readonly number[]) => quantile(sample, 0.5);
  table.push(['capacity, answers/s', median(figures.capacity).toFixed(1), '', `${LANES} asking at once`]);
  table.push([
    `goodput at ${OVERLOAD}×, answers/s`,
    median(figures.goodput).toFixed(1),
    '',
    `${median(ratios.goodput).toFixed(2)} of capacity (${list(ratios.goodput)}); agreed ${AGREED.goodput}`,
  ]);
  table.push([
    '  for each CPU second',
    '',
    '',
    `${median(ratios.perCpu).toFixed(2)} of capacity's (${list(ratios.perCpu)}): what others on this machine take does not count`,
  ]);
  row('  served, ms', figures.served, `${figures.served.length}`);
  row(
    '  refused, ms',
    figures.refused,
    `${figures.refused.length}; agreed ${AGREED.refusedMs} where liveness takes next to nothing`,
  );
  row('  liveness, ms', figures.liveness, 'at the same time');
  table.push([
    '  neither',
    String(Object.values(strays).reduce((sum, n) => sum + n, 0)),
    '',
    JSON.stringify(strays),
  ]);
  table.push(['  RSS, MB', warm.toFixed(0), peak.toFixed(0), 'before, and highest after a slice']);
  row('others alone, ms', figures.alone, `${OTHERS} of capacity`);
  row(
    'others beside the noisy one, ms',
    figures.beside,
    `p99 ${median(ratios.neighbours).toFixed(2)}× (${list(ratios.neighbours)}); agreed ${AGREED.neighbours}; ${turnedAway} refused`,
  );
  console.log(table.toString());
}

const all = ({ outcomes }: Pick<Load, 'outcomes'>, kind: 'served' | 'refused'): number[] =>
  outcomes.flatMap((outcome) => outcome[kind]);
const perSecond = (load: Load): number => all(load, 'served').length / load.seconds;
const perCpu = (load: Load & { serverCpu: number }): number => all(load, 'served').length / load.serverCpu;
const list = (ratios: readonly number[]): string => ratios.map((ratio) => ratio.toFixed(2)).join(', ');

function addTo(strays: Record<string, number>, outcomes: readonly Outcome[]): void {
  for (const { other } of outcomes) {
    for (const [what, count] of Object.entries(other)) strays[what] = (strays[what] ?? 0) + count;
  }
}
