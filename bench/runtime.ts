import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';
import { quantile } from './machine.ts';
import {
  BARE,
  type Call,
  type Contender,
  contenders,
  launch,
  type Running,
  STOCK,
} from './runtime/contenders.ts';
import type { Load, Slice } from './runtime/load.ts';

const ROUNDS = 14;
const SLICE_SECONDS = 1;
const CONNECTIONS = 16;
/** Requests a second for the latencies: below what the slowest contender can do. */
const RATE = 800;
const COLD_STARTS = 12;

const json = { 'content-type': 'application/json' };
const CALLS: Record<string, Call> = {
  JSON: {
    headers: json,
    body: JSON.stringify({ say: 'What did the knarr carry?', numbers: [1, 2, 3, 4.5] }),
  },
  CloudEvent: {
    headers: {
      ...json,
      'ce-specversion': '1.0',
      'ce-id': 'b83807b7-518d-56b8-9c8c-e1822b17b048',
      'ce-source': '/knarr/gateway',
      'ce-type': 'dev.knarr.document.accepted.v1',
      'ce-subject': 'ship',
      'ce-time': '2026-01-02T03:04:05.678Z',
      'ce-tenant': 'default',
      'ce-traceparent': '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    },
    body: JSON.stringify({ document: 'ship', version: 1, collection: 'default' }),
  },
};

type Samples = Map<string, number[]>;
const add = (samples: Samples, name: string, value: number) =>
  samples.set(name, [...(samples.get(name) ?? []), value]);
const of = (samples: Samples, name: string) => samples.get(name) ?? [];
/** The median of one contender's figure over another's in the same round. */
const ratio = (samples: Samples, name: string, to: string) =>
  quantile(
    of(samples, name).map((value, round) => value / (of(samples, to)[round] ?? Number.NaN)),
    0.5,
  );

/** Our runtime beside `faas-js-runtime`: the same function, one process each, slices of load that alternate. */
export async function runtimeBench(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'knarr-bench-'));
  try {
    const all = await contenders(folder);
    console.log(
      `${ROUNDS} rounds of ${SLICE_SECONDS} s slices, ${CONNECTIONS} connections, latencies at ${RATE} requests/s; load average ${loadavg()[0]?.toFixed(1)} at the start.`,
    );
    await throughput(all, folder);
    await coldStarts(all, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function throughput(all: readonly Contender[], folder: string): Promise<void> {
  const running: Running[] = [];
  const loader = fork(fileURLToPath(new URL('runtime/load.ts', import.meta.url)), {
    execArgv: ['--import', 'tsx'],
  });
  const ended = once(loader, 'exit').then(() => Promise.reject(new Error('The load ended early.')));
  const slice = async (task: Slice): Promise<Load> => {
    loader.send(task);
    const [load] = (await Promise.race([once(loader, 'message'), ended])) as [Load];
    return load;
  };
  try {
    for (const contender of all) running.push(await launch(contender, folder, CALLS.JSON as Call));
    const table = new Table({
      head: [
        '',
        'requests/s',
        'best',
        '× node:http',
        `× ${STOCK}`,
        'CPU µs each',
        `× ${STOCK}`,
        'p50 ms',
        'p99 ms',
        'RSS MB',
      ],
    });
    for (const [kind, call] of Object.entries(CALLS)) {
      const rates: Samples = new Map();
      const cpu: Samples = new Map();
      const p50: Samples = new Map();
      const p99: Samples = new Map();
      for (let round = -1; round < ROUNDS; round++) {
        // Whoever comes first in one round comes last in the next; the round before the first warms up.
        const order = round % 2 === 0 ? running : running.toReversed();
        for (const { name, url, cpu: spent } of order) {
          const task = { ...call, url, seconds: SLICE_SECONDS, connections: CONNECTIONS };
          const before = await spent();
          const { requests, perSecond } = await slice(task);
          const each = (((await spent()) - before) / requests) * 1000;
          const { latencies } = await slice({ ...task, rate: RATE });
          if (round < 0) continue;
          add(rates, name, perSecond);
          add(cpu, name, each);
          add(p50, name, quantile(latencies, 0.5));
          add(p99, name, quantile(latencies, 0.99));
        }
      }
      for (const { name, rss } of running) {
        table.push([
          `${kind}: ${name}`,
          quantile(of(rates, name), 0.5).toFixed(0),
          Math.max(...of(rates, name)).toFixed(0),
          ratio(rates, name, BARE).toFixed(2),
          ratio(rates, name, STOCK).toFixed(2),
          quantile(of(cpu, name), 0.5).toFixed(0),
          ratio(cpu, name, STOCK).toFixed(2),
          quantile(of(p50, name), 0.5).toFixed(2),
          quantile(of(p99, name), 0.5).toFixed(2),
          (await rss()).toFixed(0),
        ]);
      }
    }
    console.log(table.toString());
  } finally {
    ended.catch(() => {});
    loader.disconnect();
    for (const one of running) await one.stop();
  }
}

/** From the start of the process to its first answer. */
async function coldStarts(all: readonly Contender[], folder: string): Promise<void> {
  const samples: Samples = new Map();
  for (let round = -1; round < COLD_STARTS; round++) {
    for (const contender of round % 2 === 0 ? all : all.toReversed()) {
      const running = await launch(contender, folder, CALLS.JSON as Call);
      await running.stop();
      if (round >= 0) add(samples, contender.name, running.coldMs);
    }
  }
  const table = new Table({ head: ['cold start', 'median ms', 'best ms', `of ${STOCK}`] });
  for (const { name } of all) {
    const times = of(samples, name);
    table.push([
      name,
      quantile(times, 0.5).toFixed(0),
      Math.min(...times).toFixed(0),
      ratio(samples, name, STOCK).toFixed(2),
    ]);
  }
  console.log(table.toString());
}
