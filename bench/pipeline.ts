import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Table from 'cli-table3';
import { apiClient } from '../functions/_local/cli/client.ts';
import { ingestSources } from '../functions/_local/cli/send.ts';
import { expandSources } from '../functions/_local/cli/sources.ts';
import { writeDocuments } from './documents.ts';
import { quantile } from './machine.ts';
import { startServer } from './server.ts';

const DOCUMENTS = 600;
const QUESTIONS = 250;
const FRESHNESS_RUNS = 40;
const BUDGET_MS = 100;

interface Answer {
  answered: boolean;
  degraded: string[];
  timings: Record<string, number>;
}

/** Ingest rate, responsiveness meanwhile, freshness, question latency per stage, memory and restart: one store, one table. */
export async function pipelineBench(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'knarr-bench-'));
  const data = join(folder, 'data');
  const documents = join(folder, 'documents');
  const table = new Table({ head: ['figure', 'p50', 'p99', 'note'] });
  const row = (name: string, sample: readonly number[], note = '') =>
    table.push([name, quantile(sample, 0.5).toFixed(1), quantile(sample, 0.99).toFixed(1), note]);
  const single = (name: string, value: string, note = '') => table.push([name, value, '', note]);
  try {
    const formats = await writeDocuments(documents, DOCUMENTS);
    let server = await startServer(data);
    try {
      single('start on an empty folder, ms', server.readyMs.toFixed(0));
      const client = apiClient(server.url);

      const quiet = await whileDoing(server.url, sleep(5000));
      const sources = await expandSources([documents]);
      const ingest = ingestSources(client, sources, { collection: 'default', concurrency: 16 });
      const busy = await whileDoing(server.url, ingest);
      const summary = await ingest;
      const mix = Object.entries(formats).map(([ending, count]) => `${count} ${ending}`);
      single('ingest, documents/s', (summary.documents / summary.seconds).toFixed(1), mix.join(', '));
      single(
        'ingest, chunks/s',
        (summary.chunks / summary.seconds).toFixed(1),
        `${summary.failed.length} failed`,
      );
      row('liveness, idle, ms', quiet.liveness);
      row('liveness, during ingest, ms', busy.liveness);
      row('event loop delay, idle, ms', quiet.loopDelay, 'p99 of each second');
      row('event loop delay, during ingest, ms', busy.loopDelay, 'p99 of each second');
      row('search "shock wave", idle, ms', quiet.search);
      row('search "shock wave", during ingest, ms', busy.search);

      row('freshness of one chunk, ms', await freshness(server.url), 'accepted → found by search');

      const answers = await ask(server.url);
      const whole = answers.map(({ timings }) => timings.total ?? Number.NaN);
      const late = whole.filter((ms) => ms > BUDGET_MS).length;
      row('/rag, ms', whole, `${answers.length} questions, ${late} over ${BUDGET_MS} ms`);
      for (const stage of ['embed', 'search', 'fetch', 'generate']) {
        row(
          `  ${stage}, ms`,
          answers.map(({ timings }) => timings[stage] ?? 0),
        );
      }
      single('  degraded', String(answers.filter(({ degraded }) => degraded.length > 0).length), 'answers');

      await sleep(3000);
      single('idle RSS, MB', (await server.rss()).toFixed(0));
      await server.stop();
      const starts: number[] = [];
      for (let run = 0; run < 3; run++) {
        server = await startServer(data);
        starts.push(server.readyMs);
        if (run < 2) await server.stop();
      }
      single('start on this store, ms', quantile(starts, 0.5).toFixed(0), 'median of 3');
      single('RSS after that start, MB', (await server.rss()).toFixed(0));
    } finally {
      await server.stop();
    }
    console.log(table.toString());
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function timed(request: () => Promise<Response>): Promise<number> {
  const started = performance.now();
  const response = await request();
  await response.arrayBuffer();
  return performance.now() - started;
}

const post = (url: string, body: unknown) =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/** Probes liveness, a search and the event loop, ten times a second, until the work is done. */
async function whileDoing(url: string, work: Promise<unknown>) {
  const samples = { liveness: [] as number[], search: [] as number[], loopDelay: [] as number[] };
  let done = false;
  const finished = work.finally(() => {
    done = true;
  });
  for (let tick = 0; !done; tick++) {
    samples.liveness.push(await timed(() => fetch(`${url}/health/liveness`)));
    samples.search.push(await timed(() => post(`${url}/v1/search`, { query: 'shock wave', limit: 5 })));
    if (tick % 10 === 9) samples.loopDelay.push(await loopDelay(url));
    await sleep(100);
  }
  await finished;
  return samples;
}

/** The p99 event loop delay since the last reading, in ms, as the server's metrics tell it. */
async function loopDelay(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return (
    Number(/^knarr_event_loop_delay_seconds\S*quantile="0\.99"\S* (\S+)/m.exec(text)?.[1] ?? Number.NaN) *
    1000
  );
}

async function freshness(url: string): Promise<number[]> {
  const samples: number[] = [];
  for (let run = 0; run < FRESHNESS_RUNS; run++) {
    const word = `zyxgloss${run}`;
    const started = performance.now();
    await fetch(`${url}/v1/documents/fresh-${run}`, {
      method: 'PUT',
      headers: { 'content-type': 'text/plain' },
      body: `The word ${word} stands in this one sentence about shock waves and nowhere else.`,
    });
    for (;;) {
      const answer = await post(`${url}/v1/search`, { query: word, mode: 'lexical', limit: 1 });
      const { passages } = (await answer.json()) as { passages: { document: string }[] };
      if (passages[0]?.document === `fresh-${run}`) break;
      await sleep(2);
    }
    samples.push(performance.now() - started);
  }
  return samples;
}

/** Different questions, one at a time, after a few that warm up. */
async function ask(url: string): Promise<Answer[]> {
  const path = new URL('../test/data/squad2-dev-slice/questions.jsonl', import.meta.url);
  const lines = (await readFile(path, 'utf8')).trim().split('\n');
  const step = Math.max(1, Math.floor(lines.length / (QUESTIONS + 10)));
  const questions = lines
    .filter((_, index) => index % step === 0)
    .map((line) => (JSON.parse(line) as { text: string }).text);
  const answers: Answer[] = [];
  for (const question of questions.slice(0, QUESTIONS + 10)) {
    answers.push((await (await post(`${url}/v1/rag`, { question, limit: 5 })).json()) as Answer);
  }
  return answers.slice(10);
}
