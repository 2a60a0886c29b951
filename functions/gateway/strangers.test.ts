import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EventData, emit, toCloudEvent } from '../_shared/events.ts';
import { writeCall } from '../_shared/runtime/call.ts';
import { writeBinary } from '../_shared/runtime/cloudevents.ts';
import { type RunningStage, runStage } from '../_shared/runtime/run.ts';
import { signEvent } from '../_shared/stage-key.ts';
import { createLogger } from '../_shared/telemetry/log.ts';
import { stage } from './index.ts';
import { openTestGateway, type TestGateway } from './testing.ts';

/** The gateway has the stages' key and trusts what delivers events; the cluster may reach it. */

const key = ['k'.repeat(32)];
const ann = { tenant: 'acme', principals: ['user:ann', '*'] };
let gateway: TestGateway;
let running: RunningStage;
beforeAll(async () => {
  gateway = await openTestGateway({ KNARR_AUTH: 'keys', KNARR_EVENTS_AUTH: 'trust' });
  running = runStage(stage, gateway.deps, { log: createLogger('silent'), key }) as RunningStage;
});
afterAll(() => gateway?.close());

const post = (init: RequestInit) =>
  running.fetch(new Request('http://gateway/', { method: 'POST', ...init }));

test('nobody but a stage answers a question', async () => {
  const { documents } = gateway.deps;
  await documents.createAnswer(ann, 'q1', new Date(Date.now() + 60_000));
  const data: EventData<'query.answered'> = {
    query: 'q1',
    question: 'Who pays?',
    principals: ['*'],
    collection: 'default',
    mode: 'hybrid',
    limit: 1,
    neighbours: 0,
    degraded: [],
    timings: {},
    passages: [],
    result: { answer: 'You do.', answered: true, citations: [], model: 'm', degraded: [] },
  };
  const said = toCloudEvent('generate', emit('query.answered', 'q1', data), { tenant: 'acme' });
  const refused = await post(writeBinary(said));
  expect([refused.status, await refused.json()]).toEqual([
    422,
    expect.objectContaining({ code: 'unauthenticated' }),
  ]);
  expect(await documents.answer(ann, 'q1')).toMatchObject({ state: 'pending' });
  expect((await post(writeBinary(signEvent(key, said)))).status).toBe(204);
  expect(await documents.answer(ann, 'q1')).toMatchObject({ state: 'answered' });
});

test('a stage’s proof opens nothing of the API, which asks for a token', async () => {
  const headers = {
    'content-type': 'application/json',
    ...writeCall({ ...ann, signal: new AbortController().signal }, key),
  };
  const asked = await post({ body: '{"question":"Who pays?"}', headers });
  expect([asked.status, asked.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  const listed = await running.fetch(new Request('http://gateway/v1/documents', { headers }));
  expect(listed.status).toBe(401);
});
