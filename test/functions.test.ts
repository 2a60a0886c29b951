import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CloudEvent } from '../functions/_shared/events.ts';
import { readEvent } from '../functions/_shared/runtime/cloudevents.ts';
import type { StageName } from '../functions/_shared/stage.ts';
import { openLedger } from '../functions/_shared/stores/open.ts';
import { buildAlone, type FunctionProcess, startOwn, startStock } from './support/functions.ts';
import { testPipeline } from './support/pipeline.ts';
import { type Answer, type Cases, casesOf, STAGE_KEY, TENANT } from './support/stage-cases.ts';

/** Each stage's built folder, alone, as a process of its own: once by itself and once under stock faas-js-runtime. */

let folder: string;
/** Of a caller: stock faas-js-runtime listens at every address, which the gateway does with authentication alone. */
let token: string;
const processes: FunctionProcess[] = [];
/** Where stages that others ask answer, as they are configured. */
const urls: Record<string, string> = {};
const published: CloudEvent[] = [];
const broker = createServer(async (request, response) => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  published.push(readEvent(new Headers(request.headers as Record<string, string>), Buffer.concat(parts)));
  response.writeHead(202).end();
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'knarr-functions-'));
  broker.listen(0, '127.0.0.1');
  await once(broker, 'listening');
  // Real state: what the whole pipeline leaves behind.
  const knarr = await testPipeline({ KNARR_DATA_DIR: join(folder, 'seed') });
  try {
    const text =
      'The knarr was a Norse merchant ship. It carried cargo across the North Atlantic to Iceland and Greenland.';
    await knarr.api('PUT', '/v1/documents/ship', { text, title: 'Ships', metadata: { kind: 'ship' } });
    await knarr.api('PUT', '/v1/documents/long', { text: await longText() });
    await knarr.api('PUT', '/v1/documents/broken', undefined, {
      body: '%PDF-1.7\nthis is no PDF',
      headers: { 'content-type': 'application/pdf' },
    });
    for (const id of ['ship', 'long']) expect((await knarr.ended(id)).state).toBe('indexed');
    expect((await knarr.ended('broken')).state).toBe('dead_lettered');
    await knarr.idle();
  } finally {
    await knarr.close();
  }
  const { documents, access } = await openLedger({ dataDir: join(folder, 'seed') });
  const caller = {
    tenant: TENANT,
    name: 'caller',
    role: 'reader' as const,
    collections: null,
    principals: [],
  };
  token = (await access.createKey({ ...caller, expiresAt: null }, { actor: 'test' })).key;
  await documents.close();
}, 180_000);

afterAll(async () => {
  for (const process of processes) await process.stop();
  broker.close();
  await rm(folder, { recursive: true, force: true });
});

/** Chunks of it are more than one event holds. */
async function longText(): Promise<string> {
  const corpus = await readFile(new URL('data/cranfield/corpus.jsonl', import.meta.url), 'utf8');
  const texts = corpus.split('\n', 70).map((line) => (JSON.parse(line) as { text: string }).text);
  return texts.join('\n\n');
}

/** What stages answered, for the stages after them. */
const answers = new Map<string, unknown>();
function answerTo<T>(name: string): T {
  if (!answers.has(name)) throw new Error(`There was no answer to "${name}".`);
  return answers.get(name) as T;
}

/** The gateway asks these while it is at work. */
const ASKED: readonly StageName[] = ['embed', 'search', 'fetch', 'generate'];
const ORDER: readonly StageName[] = [
  'ingest',
  'embed',
  'index',
  'search',
  'fetch',
  'generate',
  'recover',
  'gateway',
];

/** Every process that keeps something gets a copy of the same state. */
async function environment(stage: StageName, name: string): Promise<Record<string, string>> {
  const data = join(folder, `${stage}-${name}`);
  if (stage !== 'embed' && stage !== 'generate') await cp(join(folder, 'seed'), data, { recursive: true });
  const { port } = broker.address() as AddressInfo;
  const auth: Record<string, string> =
    stage === 'gateway' ? { KNARR_AUTH: 'keys', KNARR_EVENTS_AUTH: 'trust' } : {};
  const key = { KNARR_STAGE_KEY: STAGE_KEY };
  return { KNARR_DATA_DIR: data, K_SINK: `http://127.0.0.1:${port}/`, ...key, ...auth, ...urls };
}

/**
 * Fewest events that go to the Broker: the batches of the long document, twice; what became of a dead letter, twice; the
 * document that was submitted.
 */
const FEWEST_SAID: Partial<Record<StageName, number>> = { ingest: 4, recover: 2, gateway: 1 };

interface Interview {
  outcomes: Map<string, Answer>;
  /** What went to the Broker meanwhile, in any order. */
  said: CloudEvent[];
}

async function interview(stage: StageName, process: FunctionProcess, cases: Cases): Promise<Interview> {
  const outcomes = new Map<string, Answer>();
  for (const [name, , send] of cases) outcomes.set(name, await send(process.url, token));
  await expect.poll(() => published.length).toBeGreaterThanOrEqual(FEWEST_SAID[stage] ?? 0);
  if (!ASKED.includes(stage)) await process.stop();
  return { outcomes, said: published.splice(0).toSorted((a, b) => (a.id < b.id ? -1 : 1)) };
}

const COMPARED = /^(content-type|retry-after|allow|server-timing|ce-.*)$/;

/** An answer without what differs from one run to the next: instants, measured times, span ids. */
function comparable({ status, headers, body }: Answer) {
  const kept = Object.entries(headers)
    .filter(([name]) => COMPARED.test(name) && !(body === '' && name === 'content-type'))
    .map(([name, value]) => [name, masked(name.replace(/^ce-/, ''), value)]);
  return { status, headers: Object.fromEntries(kept), body: deepMasked(body) };
}

const deepMasked = (value: unknown) => JSON.parse(JSON.stringify(value), masked);

function masked(name: string, value: unknown): unknown {
  if (name === 'time' || name === 'received_at') return '(instant)';
  // The stock runtime adds a parameter that JSON does not have (RFC 8259 §11).
  if (name === 'content-type') return String(value).replace(/(json); charset=utf-8$/, '$1');
  if (name === 'server-timing') return String(value).replaceAll(/[\d.]+$/g, '(ms)');
  if (name === 'timings') return Object.keys(value as object).toSorted();
  // Of `time`, too. That it proves the event, the next stage shows.
  if (name === 'knarrmac') return '(proof)';
  if (name === 'traceparent') return String(value).replace(/-[0-9a-f]{16}-/, '-(span)-');
  return value;
}

test.each(ORDER)(
  '%s answers the same under both runtimes',
  async (stage) => {
    const home = join(folder, stage);
    await buildAlone(stage, home);
    const cases = casesOf(stage, answerTo);

    const own = await startOwn(home, await environment(stage, 'own'));
    processes.push(own);
    const ours = await interview(stage, own, cases);
    for (const [name, { body }] of ours.outcomes) answers.set(`${stage}: ${name}`, body);

    const stock = await startStock(home, await environment(stage, 'stock'));
    processes.push(stock);
    const theirs = await interview(stage, stock, cases);

    for (const [name, status] of cases) {
      const [answer, other] = [ours.outcomes.get(name) as Answer, theirs.outcomes.get(name) as Answer];
      expect.soft(comparable(other), name).toEqual(comparable(answer));
      expect.soft(answer.status, `${name}: ${JSON.stringify(answer.body)}`).toBe(status);
      const isEvent = status === 200 && /, (binary|structured)$/.test(name);
      expect.soft('ce-type' in answer.headers, name).toBe(isEvent);
    }
    expect(deepMasked(theirs.said)).toEqual(deepMasked(ours.said));
    if (ASKED.includes(stage)) urls[`KNARR_${stage.toUpperCase()}_URL`] = own.url;
  },
  180_000,
);
