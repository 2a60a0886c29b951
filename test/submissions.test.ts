import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CloudEvent } from '../functions/_shared/events.ts';
import { writeBinary, writeStructured } from '../functions/_shared/runtime/cloudevents.ts';
import { toDeadLetter } from '../functions/_shared/runtime/delivery.ts';
import { createLogger } from '../functions/_shared/telemetry/log.ts';
import { openTestGateway, type TestGateway } from '../functions/gateway/testing.ts';
import { takeDeadLetter } from '../functions/recover/dead-letters.ts';

// What the gateway refuses of what is submitted by events, what recover keeps of it, and what a replay makes of that.

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await openTestGateway({ KNARR_QUOTA_DOCUMENTS: '1' });
});
afterAll(() => gateway?.close());

const submitted = (id: string, document: string, data: object, second: number): CloudEvent => ({
  specversion: '1.0',
  id,
  source: 'https://example.org/feed',
  type: 'dev.knarr.document.submitted.v1',
  subject: document,
  time: new Date(Date.now() - 60_000 + second * 1000).toISOString(),
  datacontenttype: 'application/json',
  tenant: 'default',
  data: { document, ...data },
});

/** One delivery; the last one, if the Broker gives up after it. Returns its status. */
async function deliver(event: CloudEvent): Promise<number> {
  const { status, body } = await gateway.ask('POST', '/', undefined, writeBinary(event));
  if (status < 300) return status;
  const said = Buffer.from(JSON.stringify(body));
  const context = {
    ...{ deps: gateway.deps, tenant: 'default', principals: ['*'], signal: AbortSignal.timeout(10_000) },
    ...{ log: createLogger('silent'), metrics: { count: () => {} } },
  };
  await takeDeadLetter(toDeadLetter(event, 'http://gateway', { status, body: said }), context);
  return status;
}
const letters = async () => (await gateway.ask('GET', '/v1/dead-letters')).body.dead_letters;
/** Replays all letters; the submissions that the Broker gets of it. */
async function replay(): Promise<CloudEvent[]> {
  gateway.published.length = 0;
  await gateway.ask('POST', '/v1/dead-letters:replay', {});
  await expect.poll(() => gateway.deps.documents.outboxSize()).toBe(0);
  return gateway.published.filter(({ type }) => type === 'dev.knarr.document.submitted.v1');
}
const shown = async (document: string) => (await gateway.ask('GET', `/v1/documents/${document}`)).body;

test('what is refused for a quota is kept with the reason, and replayed once there is room', async () => {
  expect(await deliver(submitted('1', 'a', { text: 'The first.' }, 1))).toBe(204);
  const refused = submitted('2', 'b', { text: 'The second.' }, 2);
  expect(await deliver(refused)).toBe(429);
  const [letter] = await letters();
  const reason = "The tenant's quota of 1 documents is used up.";
  expect(letter).toMatchObject({ code: 'too_many_requests', message: reason, attempts: 1 });

  // As the event that it was: it is known again when it fails again.
  const [again] = await replay();
  expect(again).toMatchObject({ id: refused.id, source: refused.source, time: refused.time });
  expect(await letters()).toEqual([]);
  expect(await deliver(again as CloudEvent)).toBe(429);
  expect(await letters()).toMatchObject([{ id: letter.id, attempts: 2 }]);

  await gateway.ask('DELETE', '/v1/documents/a');
  const [last] = await replay();
  expect(await deliver(last as CloudEvent)).toBe(204);
  expect(await shown('b')).toMatchObject({ version: 1, bytes: 11 });
  expect(await letters()).toEqual([]);
});

test('what is late, by a replay or by the Broker, changes nothing; its sender is told what stands', async () => {
  await gateway.ask('DELETE', '/v1/documents/b');
  // Nothing may be read from there.
  const uri = 'http://127.0.0.1/page';
  expect(await deliver(submitted('3', 'c', { uri }, 3))).toBe(422);
  expect(await deliver(submitted('5', 'c', { text: 'The newer one.' }, 5))).toBe(204);
  expect(await letters()).toMatchObject([{ code: 'forbidden', event: { id: '3' } }]);
  expect(await replay()).toEqual([]);
  expect(await letters()).toEqual([]);

  const late = submitted('4', 'c', { text: 'The older one.' }, 4);
  expect(await deliver(late)).toBe(204);
  const { body } = await gateway.ask('POST', '/v1/events', undefined, writeStructured(late));
  expect(body).toEqual({ id: '4', document: 'c', version: 1 });
  expect(await shown('c')).toMatchObject({ version: 1, bytes: 14 });
  // Not even its letter is kept, when it fails after the newer one was taken.
  expect(await deliver(submitted('6', 'c', { uri }, 4))).toBe(422);
  expect(await letters()).toEqual([]);

  await gateway.ask('DELETE', '/v1/documents/c');
  expect(await deliver(submitted('7', 'c', { text: 'From before the deletion.' }, 7))).toBe(204);
  expect((await gateway.ask('GET', '/v1/documents/c')).status).toBe(404);
});
