import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createBroker } from '../functions/_local/broker/broker.ts';
import { SHIPPED } from '../functions/_local/wiring/testing.ts';
import { loadTopology } from '../functions/_local/wiring/topology.ts';
import { runStage } from '../functions/_shared/runtime/run.ts';
import { type Served, serve } from '../functions/_shared/runtime/serve.ts';
import { defineStage } from '../functions/_shared/stage.ts';
import { createLogger } from '../functions/_shared/telemetry/log.ts';
import { openTestGateway } from '../functions/gateway/testing.ts';
import { CORPUS, type CorpusCase, type Target } from './corpus/events.ts';
import { type RawAnswer, sendRaw } from './support/raw-http.ts';

const MIB = 2 ** 20;
/**
 * What the passes over the corpus may leave behind once warm, MiB. Each expands bombs of 32 MiB: one kept in every
 * pass shows in `held`. The allocator gives pages back late, so `resident` only has to stay below one pass's bombs.
 */
const MAX_GROWTH = { held: 3 * 32, resident: 12 * 32 };
const PASSES = 4;
const AT_ONCE = 8;

const log = createLogger('silent');
const sink = defineStage({
  name: 'gateway',
  summary: 'Takes what is submitted.',
  input: z.strictObject({ ask: z.string() }),
  output: z.object({}),
  handle: async () => ({}),
  on: { 'document.submitted': { produces: [], handle: async () => undefined } },
  knobs: {},
  open: async () => ({}),
});

const PATHS: Record<Target, string> = { stage: '/', broker: '/default/default', gateway: '/v1/events' };
const TARGETS = Object.keys(PATHS) as Target[];
const servers = {} as Record<Target, Served>;
const closers: (() => Promise<void>)[] = [];
let delivered = 0;
beforeAll(async () => {
  const options = { port: 0, hostname: '127.0.0.1' };
  const gateway = await openTestGateway();
  const broker = createBroker(loadTopology(SHIPPED), {
    log,
    deliver: async () => {
      delivered++;
      return new Response(null, { status: 202 });
    },
  });
  servers.stage = await serve(runStage(sink, {}, { log }), options);
  servers.broker = await serve({ fetch: broker.fetch, drain: () => {} }, options);
  servers.gateway = await serve(gateway.running, options);
  closers.push(
    ...Object.values(servers).map((server) => () => server.close()),
    () => gateway.close(),
    () => broker.close(),
  );
});
afterAll(async () => {
  for (const close of closers) await close();
});

/** The request as it goes over the wire. */
function bytesOf({ request }: CorpusCase, target: Target): Buffer {
  const { port } = servers[target];
  const path = PATHS[target];
  if (request.raw !== undefined) {
    const text = request.raw.replaceAll('{path}', path).replaceAll('{host}', `127.0.0.1:${port}`);
    return Buffer.from(text, 'latin1');
  }
  const { method = 'POST', headers = [], body = '', framing = 'length' } = request;
  const content = Buffer.from(body);
  const lines = [
    `${method} ${request.path ?? path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...(framing === 'length' ? [`Content-Length: ${content.length}`] : []),
    ...(framing === 'chunked' ? ['Transfer-Encoding: chunked'] : []),
  ];
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  return Buffer.concat([head, framing === 'chunked' ? inChunks(content) : content]);
}

const send = (one: CorpusCase, target: Target) =>
  sendRaw(servers[target].port, bytesOf(one, target), one.request.ends);

function inChunks(content: Buffer): Buffer {
  const size = 10_000;
  const parts: Buffer[] = [];
  for (let at = 0; at < content.length; at += size) {
    const part = content.subarray(at, at + size);
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

function expectProblem(answer: RawAnswer, says: string): void {
  expect(answer.headers['content-type']).toBe('application/problem+json');
  expect(JSON.parse(answer.body)).toMatchObject({
    type: 'about:blank',
    status: answer.status,
    code: expect.stringMatching(/^[a-z_]+$/),
    detail: expect.stringContaining(says),
  });
  expect(Buffer.byteLength(answer.body)).toBeLessThan(768);
}

test('the corpus is large, and each case has a name of its own', () => {
  expect(new Set(CORPUS.map(({ name }) => name)).size).toBe(CORPUS.length);
  const refused = CORPUS.filter(({ expect: { status } }) =>
    typeof status === 'number' ? status >= 400 : status.stage >= 400,
  );
  expect(refused.length).toBeGreaterThanOrEqual(150);
});

describe.each(TARGETS)('%s', (target) => {
  const statusOf = ({ expect: { status } }: CorpusCase) =>
    typeof status === 'number' ? status : status[target];

  test.each(CORPUS.map((one) => [one.name, statusOf(one), one] as const))(
    '%s → %i',
    async (_, status, one) => {
      const answer = await send(one, target);
      expect(answer?.status, answer?.body).toBe(status);
      if (answer && status >= 400 && one.expect.says !== undefined) expectProblem(answer, one.expect.says);
    },
  );

  test('is well afterwards', async () => {
    const answer = await fetch(`${servers[target].url}/health/liveness`);
    expect(answer.status).toBe(target === 'broker' ? 405 : 200);
    const valid = CORPUS.find(({ name }) => name === 'exactly 64 KiB') as CorpusCase;
    expect((await send(valid, target))?.status).toBe(statusOf(valid));
  });
});

test('what was accepted was delivered, and memory does not grow from pass to pass', async () => {
  expect(delivered).toBeGreaterThan(50);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const pass = async () => {
    for (let at = 0; at < CORPUS.length; at += AT_ONCE) {
      const some = CORPUS.slice(at, at + AT_ONCE);
      await Promise.all(some.flatMap((one) => TARGETS.map((target) => send(one, target))));
    }
    collect();
    const { heapUsed, external, rss } = process.memoryUsage();
    return { held: (heapUsed + external) / MIB, resident: rss / MIB };
  };
  const warm = await pass();
  let after = warm;
  for (let n = 0; n < PASSES; n++) after = await pass();
  const growth = { held: after.held - warm.held, resident: after.resident - warm.resident };
  console.info(
    `${PASSES} passes over ${CORPUS.length} requests: ${growth.held.toFixed(1)} MiB more held, ` +
      `${growth.resident.toFixed(1)} MiB more resident`,
  );
  expect(growth.held).toBeLessThan(MAX_GROWTH.held);
  expect(growth.resident).toBeLessThan(MAX_GROWTH.resident);
});
