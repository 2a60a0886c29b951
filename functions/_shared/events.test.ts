import { CloudEvent as PackageEvent } from 'cloudevents';
import { expect, test } from 'vitest';
import {
  batchBySize,
  type Emitted,
  EVENTS,
  type EventName,
  emit,
  eventName,
  eventType,
  MAX_EVENT_BYTES,
  MAX_EVENT_DATA_BYTES,
  toCloudEvent,
} from './events.ts';
import { readEvent, writeBinary, writeStructured } from './runtime/cloudevents.ts';
import { seededRandom } from './testing.ts';

const reference = { document: 'ship', version: 3, collection: 'default' };
const accepted = emit('document.accepted', 'ship', reference);
const tenant = 'acme';

test('a type has a name and a name a type, and nothing else has', () => {
  for (const name of Object.keys(EVENTS) as EventName[]) expect(eventName(eventType(name))).toBe(name);
  for (const type of ['', 'document.accepted', 'dev.knarr.toString.v1', 'dev.knarr.document.accepted.v2'])
    expect(eventName(type)).toBeUndefined();
});

test('the same fact has the same id, whoever says it and when, on every machine', () => {
  const { id } = toCloudEvent('gateway', accepted, { tenant });
  expect(id).toBe('2aa886a0-4707-5249-85c0-e105c84acef3');
  const again = toCloudEvent('recover', accepted, { tenant, traceparent: 'x', deadline: 'y' });
  expect(again.id).toBe(id);
});

test('another fact has another id', () => {
  const facts: [Emitted, string][] = [
    [accepted, tenant],
    [accepted, 'other'],
    [{ ...accepted, name: 'document.deleted' }, tenant],
    [{ ...accepted, subject: 'boat' }, tenant],
    [emit('document.accepted', 'ship', { ...reference, version: 4 }), tenant],
  ];
  const ids = facts.map(([fact, of]) => toCloudEvent('gateway', fact, { tenant: of }).id);
  expect(new Set(ids).size).toBe(facts.length);
});

test('a question asked again by a slower machine is the same question', () => {
  const ask = EVENTS['query.asked'].parse({ query: 'q', question: 'Why?', principals: ['*'] });
  const id = (timings: Record<string, number>) =>
    toCloudEvent('embed', emit('query.embedded', 'q', { ...ask, timings }), { tenant }).id;
  expect(id({ embed: 3.1 })).toBe(id({ embed: 4.2 }));
});

test('an event says who, what and where to, and is valid for the cloudevents package', () => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const event = toCloudEvent('gateway', accepted, { tenant, traceparent, deadline: undefined as never });
  expect(event).toMatchObject({
    source: '/knarr/gateway',
    type: 'dev.knarr.document.accepted.v1',
    subject: 'ship',
    tenant,
    partitionkey: 'acme/ship',
    traceparent,
    data: reference,
  });
  expect(event).not.toHaveProperty('deadline');
  expect(new PackageEvent(event).validate()).toBe(true);
  const { headers, body } = writeBinary(event);
  expect(readEvent(new Headers(headers), Buffer.from(body))).toEqual(event);
});

const { below, pick } = seededRandom('event batches');
const ALPHABET = ['a', '"', '\\', '\n', 'é', '漢', '\u{1F600}', '\u2028'];
const text = (longest: number) => Array.from({ length: below(longest) }, () => pick(ALPHABET)).join('');
const bytesOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value));

test('batches hold everything, in order, and are as few as order allows', () => {
  for (let run = 0; run < 200; run++) {
    const limit = 20 + below(400);
    const items = Array.from({ length: below(60) }, (_, n) => ({ n, text: text(pick([5, 50, 200])) }));
    const batches = batchBySize(items, limit);
    expect(batches.flat()).toEqual(items);
    for (const [index, batch] of batches.entries()) {
      // Without the brackets: they belong to the list that the batch becomes.
      if (batch.length > 1) expect(bytesOf(batch) - 1).toBeLessThanOrEqual(limit);
      const [next] = batches[index + 1] ?? [];
      if (next !== undefined) expect(bytesOf([...batch, next]) - 1).toBeGreaterThan(limit);
    }
  }
});

test('an event with as much data as is allowed stays under 64 KiB in both modes, whatever its document is called', () => {
  for (let run = 0; run < 20; run++) {
    const name = pick(['漢', 'é', 'a', '\u{1F600}', ' ', '%']);
    const document = name.repeat(512 / name.length);
    const base = { ...reference, document, batch: 0, batches: 1, generation: 'g' };
    const room = MAX_EVENT_DATA_BYTES - bytesOf({ ...base, chunks: [] });
    const chunks = Array.from({ length: 400 }, (_, chunk) => ({ chunk, context: text(40), text: text(400) }));
    const [batch = []] = batchBySize(chunks, room);
    const created = emit('chunks.created', document, { ...base, chunks: batch });
    expect(bytesOf(created.data)).toBeLessThanOrEqual(MAX_EVENT_DATA_BYTES);
    const event = toCloudEvent('ingest', created, { tenant: 'a'.repeat(63), correlationid: 'c'.repeat(36) });
    for (const { headers, body } of [writeBinary(event), writeStructured(event)]) {
      const wire = Object.entries(headers).reduce(
        (sum, [key, value]) => sum + key.length + value.length + 4,
        0,
      );
      expect(wire + Buffer.byteLength(body)).toBeLessThan(MAX_EVENT_BYTES);
    }
  }
});
