import { beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { httpClient } from '../client.ts';
import { KnarrError } from '../errors.ts';
import { type CloudEvent, emit, eventType, toCloudEvent } from '../events.ts';
import { type Call, defineStage } from '../stage.ts';
import { checkEvent, EVENT_PROOF, signEvent } from '../stage-key.ts';
import { createLogger } from '../telemetry/log.ts';
import { CALL_HEADERS, writeCall } from './call.ts';
import { readEvent, writeBinary, writeStructured } from './cloudevents.ts';
import { toDeadLetter } from './delivery.ts';
import { runStage } from './run.ts';
import { serve } from './serve.ts';

/** A stage that has a key, as Knative lets anybody in the cluster reach it. */

const key = ['k'.repeat(32)];
let worked: string[];
const published: CloudEvent[] = [];
const letters: CloudEvent[] = [];
const into = (list: CloudEvent[]) => ({
  publish: async (events: readonly CloudEvent[]) => void list.push(...events),
});
beforeEach(() => {
  worked = [];
  published.length = 0;
  letters.length = 0;
});

const reference = { document: 'd', version: 1, collection: 'c' };
const secretive = defineStage({
  name: 'fetch',
  summary: 'Tells whoever may know.',
  input: z.object({}),
  output: z.object({ tenant: z.string() }),
  async handle(_, { tenant }) {
    worked.push(tenant);
    return { tenant };
  },
  on: {
    'document.accepted': {
      produces: ['document.indexed'],
      several: true,
      async handle({ document }, { tenant }) {
        worked.push(tenant);
        if (document === 'bad') throw new KnarrError('unprocessable', 'It is bad.');
        const indexed = (n: number) =>
          emit('document.indexed', 'd', { ...reference, chunks: n, generation: 'g' });
        return document === 'many' ? [indexed(1), indexed(2)] : [indexed(1)];
      },
    },
    'document.submitted': {
      produces: [],
      handle: async (_, { tenant }) => void worked.push(tenant),
    },
  },
  async onDeadLetter(_, { tenant }) {
    worked.push(tenant);
    return undefined;
  },
  knobs: {},
  open: async () => ({}),
});
const log = createLogger('silent');
const options = { log, key, publisher: into(published), deadLetters: into(letters) };
const running = runStage(secretive, {}, options);

const claims: Call = {
  tenant: 'acme',
  principals: ['*'],
  deadline: Date.parse('2100-01-01T00:00:00Z'),
  signal: new AbortController().signal,
};
const call = (headers: Record<string, string>) =>
  running.fetch(
    new Request('http://fetch/', {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json', ...headers },
    }),
  );
const proven = writeCall(claims, key);

test('a call by a stage is answered', async () => {
  const answer = await call(proven);
  expect([answer.status, await answer.json()]).toEqual([200, { tenant: 'acme' }]);
});

test.each<[string, Record<string, string>]>([
  ['claims a tenant', { [CALL_HEADERS.tenant]: 'acme' }],
  ['claims principals', { [CALL_HEADERS.principals]: 'user:ann' }],
  // It would be everybody in the default tenant.
  ['claims nothing', {}],
  ['claims another tenant than is proven', { ...proven, [CALL_HEADERS.tenant]: 'other' }],
  ['claims other principals than are proven', { ...proven, [CALL_HEADERS.principals]: 'user:ann' }],
  ['claims a later deadline than is proven', { ...proven, [CALL_HEADERS.deadline]: '2101-01-01T00:00:00Z' }],
  ['proves it by another key', writeCall(claims, ['x'.repeat(32)])],
  ['shows an API key', { ...writeCall(claims), authorization: 'Bearer knarr_x' }],
])('a call that %s does nothing', async (_, headers) => {
  const answer = await call(headers);
  expect(answer.status).toBe(401);
  expect(answer.headers.get('www-authenticate')).toBe('Knarr-Stage-Key');
  expect(await answer.json()).toMatchObject({ code: 'unauthenticated' });
  expect(worked).toEqual([]);
});

test('a proven call ends at its deadline: its proof is of no use afterwards', async () => {
  const headers = writeCall({ ...claims, deadline: Date.parse('2020-01-01T00:00:00Z') }, key);
  expect((await call(headers)).status).toBe(504);
  expect(worked).toEqual([]);
});

test('a client with the key is answered; to one without, the failure is the stages’, not the asker’s', async () => {
  const served = await serve(runStage(secretive, {}, options), { port: 0, hostname: '127.0.0.1' });
  try {
    expect(await httpClient(served.url, { key })({}, claims)).toEqual({ tenant: 'acme' });
    expect(await httpClient(served.url, { key })({}, { ...claims, deadline: undefined })).toEqual({
      tenant: 'acme',
    });
    await expect(httpClient(served.url)({}, claims)).rejects.toMatchObject({
      code: 'upstream_failed',
      message: expect.stringContaining('KNARR_STAGE_KEY'),
    });
  } finally {
    await served.close();
  }
});

test('health, metrics and info are open', async () => {
  for (const path of ['/health/liveness', '/health/readiness', '/metrics', '/info'])
    expect((await running.fetch(new Request(`http://fetch${path}`))).status, path).toBe(200);
});

const accepted = (document = 'd') =>
  toCloudEvent('gateway', emit('document.accepted', document, { ...reference, document }), {
    tenant: 'acme',
  });
const post = (event: CloudEvent, write = writeBinary) =>
  running.fetch(new Request('http://fetch/', { method: 'POST', ...write(event) }));

test('an event of a stage is answered with one that proves itself, in either mode', async () => {
  for (const write of [writeBinary, writeStructured]) {
    const answer = await post(signEvent(key, accepted()), write);
    expect(answer.status).toBe(200);
    const reply = readEvent(answer.headers, new Uint8Array(await answer.arrayBuffer()));
    expect(reply).toMatchObject({ type: eventType('document.indexed'), tenant: 'acme' });
    expect(() => checkEvent(key, reply)).not.toThrow();
  }
  expect(worked).toEqual(['acme', 'acme']);
});

test.each<[string, CloudEvent]>([
  ['without proof', accepted()],
  ['proven by another key', signEvent(['x'.repeat(32)], accepted())],
  ['of another tenant than is proven', { ...signEvent(key, accepted()), tenant: 'other' }],
  ['as a dead letter', { ...accepted(), knativeerrorcode: 422, knativeerrordest: 'http://ingest/' }],
  ['that names no proof', { ...accepted(), [EVENT_PROOF]: 'x' }],
])('an event %s does nothing, is refused for good and goes nowhere', async (_, event) => {
  for (const write of [writeBinary, writeStructured]) {
    const answer = await post(event, write);
    expect([answer.status, await answer.json()]).toEqual([
      422,
      expect.objectContaining({ code: 'unauthenticated' }),
    ]);
  }
  expect([worked, published, letters]).toEqual([[], [], []]);
});

test('what others say is taken as ever', async () => {
  const submitted = emit('document.submitted', 'd', { document: 'd', text: 'x' });
  expect((await post(toCloudEvent('x', submitted, { tenant: 'acme' }))).status).toBe(204);
  expect(worked).toEqual(['acme']);
});

test('what is refused for good is passed on with the proof that it came with', async () => {
  const event = signEvent(key, accepted('bad'));
  expect((await post(event)).status).toBe(204);
  const [letter] = letters as [CloudEvent];
  expect(letter).toMatchObject({ knativeerrorcode: 422, [EVENT_PROOF]: event[EVENT_PROOF] });
  expect(
    (await post(toDeadLetter(letter, 'http://x/', { status: 422, body: new Uint8Array() }))).status,
  ).toBe(204);
  expect(worked).toEqual(['acme', 'acme']);
});

test('what is made in this process needs no proof', async () => {
  const inside = { inside: true };
  const request = () => new Request('http://fetch/', { method: 'POST', ...writeBinary(accepted()) });
  expect((await running.fetch(request(), inside)).status).toBe(200);
  expect((await running.fetch(request())).status).toBe(422);
});
