import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CloudEvent, EVENTS, type EventData } from '../_shared/events.ts';
import { writeBinary } from '../_shared/runtime/cloudevents.ts';
import type { Call } from '../_shared/stage.ts';
import { seededRandom } from '../_shared/testing.ts';
import { encodeVector } from '../_shared/vectors.ts';
import {
  deleted,
  embedded,
  GENERATION,
  type Made,
  openTestIndex,
  runIndex,
  signal,
  type TestIndex,
} from './testing.ts';

let index: TestIndex;
beforeAll(async () => {
  index = await openTestIndex();
});
afterAll(() => index?.close());
const call = (tenant = 'acme'): Call => ({ tenant, principals: ['*'], signal });

function shuffled<T>(items: readonly T[], below: (end: number) => number): T[] {
  const left = [...items];
  return items.map(() => left.splice(below(left.length), 1)[0] as T);
}

describe('batches', () => {
  test('with the last of them the version is indexed, and that is said once with its counts', async () => {
    const made = await index.chunked('whole', 7, { title: 'Longships', collection: 'whole' });
    const events = embedded(made);
    expect(await index.receiveAll(events.slice(0, 2))).toEqual([]);
    expect(await index.stateOf(made)).not.toBe('indexed');
    const [indexed, ...more] = await index.receiveAll(events.slice(2));
    expect(more).toEqual([]);
    expect(indexed).toMatchObject({
      type: 'dev.knarr.document.indexed.v1',
      subject: 'whole',
      tenant: 'acme',
    });
    expect(EVENTS['document.indexed'].parse(indexed?.data)).toEqual({
      document: 'whole',
      version: 1,
      collection: 'whole',
      chunks: 7,
      generation: GENERATION,
    });
    expect(await index.stateOf(made)).toBe('indexed');
    expect(await index.points(made)).toBe(7);
    // Title and headings are searched with the text.
    expect(await index.versionsFound(made, 'longship')).toEqual([1]);
    expect(await index.versionsFound(made, 'rigging')).toEqual([1]);
  });

  test('may come in any order, repeated and at once', async () => {
    const { below } = seededRandom('batches in any order');
    for (let round = 0; round < 12; round++) {
      const made = await index.chunked(`any-${round}`, 1 + below(9), {
        collection: `any-${round}`,
      });
      const events = embedded(made, 1 + below(3));
      const delivered = shuffled([...events, ...events, ...events], below);
      const said =
        round % 2 === 0
          ? await index.receiveAll(delivered)
          : (await Promise.all(delivered.map(index.receive))).flat();
      expect(said.length).toBeGreaterThan(0);
      expect(new Set(said.map(({ id }) => id)).size).toBe(1);
      expect(await index.stateOf(made)).toBe('indexed');
      expect(await index.points(made)).toBe(made.chunks);
      expect(await index.documents.version(made)).toMatchObject({
        chunks: made.chunks,
        indexedChunks: made.chunks,
      });
    }
  });

  test('a batch whose answer was lost says again what it said', async () => {
    const made = await index.chunked('lost', 2, { collection: 'lost' });
    const [only] = embedded(made) as [CloudEvent];
    const [first] = await index.receive(only);
    const [again] = await index.receive(only);
    expect(again?.id).toBe(first?.id);
  });

  test('points say who may read them and what the document says of itself', async () => {
    const collection = 'described';
    const made = await index.chunked('d', 1, { collection, acl: ['user:ann'], metadata: { lang: 'en' } });
    await index.receiveAll(embedded(made));
    const find = async (principals: string[], lang: string) =>
      index.vectors.search(
        { tenant: 'acme', collection, generation: GENERATION },
        { tenant: 'acme', principals },
        {
          mode: 'lexical',
          text: 'oars',
          limit: 1,
          filter: { eq: { lang } },
        },
      );
    expect(await find(['user:ann'], 'en')).toHaveLength(1);
    expect(await find(['*', 'user:bob'], 'en')).toEqual([]);
    expect(await find(['user:ann'], 'de')).toEqual([]);
  });
});

test('vectors for a generation that the collection has left are dropped; those for its new one count', async () => {
  const collection = 'moved';
  const made = await index.chunked('moved', 3, { collection });
  const generation = 'tiny.3.c32o4';
  const { tenant, document, version } = made;
  await index.documents.beginRebuild({ tenant, collection, generation });
  await index.documents.goOnRebuilding({ tenant });
  const chunks = await index.documents.chunks(made);
  await index.documents.saveChunks({ ...made, generation }, { title: null, chunks });
  expect(await index.receiveAll(embedded(made))).toEqual([]);
  expect([await index.stateOf(made), await index.points(made)]).toEqual(['chunked', 0]);
  const said = await index.receiveAll(embedded(made, 3, { generation }));
  expect(said).toMatchObject([{ data: { document, version, generation, chunks: 3 } }]);
  expect(await index.stateOf(made)).toBe('indexed');
});

describe('a version that is superseded', () => {
  test('mid-way: its late batches are dropped, and what it wrote goes with the new one', async () => {
    const old = await index.chunked('moving', 6, { collection: 'moving' });
    const [first, ...late] = embedded(old) as [CloudEvent, ...CloudEvent[]];
    await index.receive(first);
    const next = await index.chunked('moving', 2, { collection: 'moving' });
    expect(await index.receiveAll(late)).toEqual([]);
    await index.receiveAll(embedded(next));
    expect(await index.receiveAll([first, ...late])).toEqual([]);
    expect([await index.stateOf(old), await index.stateOf(next)]).toEqual(['superseded', 'indexed']);
    expect(await index.points(next)).toBe(2);
    expect(await index.versionsFound(next)).toEqual([2]);
  });

  test('the older one stays found until the new one is complete', async () => {
    const old = await index.chunked('steady', 2, { collection: 'steady' });
    await index.receiveAll(embedded(old));
    const next = await index.chunked('steady', 4, { collection: 'steady' });
    const [first, last] = embedded(next, 2) as [CloudEvent, CloudEvent];
    await index.receive(first);
    expect(await index.versionsFound(next)).toContain(1);
    await index.receive(last);
    expect(await index.versionsFound(next)).toEqual([2]);
  });

  test('while its points are written: they are taken out again', async () => {
    const made = await index.chunked('race', 3, { collection: 'race' });
    let next: Made | undefined;
    const racing = runIndex({
      documents: index.documents,
      vectors: {
        ...index.vectors,
        async upsert(scope, written) {
          await index.vectors.upsert(scope, written);
          next ??= await index.chunked('race', 1, { collection: 'race' });
        },
      },
    });
    expect(await racing.receive(embedded(made)[0] as CloudEvent, signal)).toEqual([]);
    expect(await index.points(made)).toBe(0);
    await index.receiveAll(embedded(next as Made));
    expect(await index.versionsFound(made)).toEqual([2]);
  });

  test('by one in another collection: it leaves the old one', async () => {
    const old = await index.chunked('emigrant', 2, { collection: 'from' });
    await index.receiveAll(embedded(old));
    const next = await index.chunked('emigrant', 3, { collection: 'to' });
    await index.receive(deleted({ ...next, collection: 'from' }));
    await index.receiveAll(embedded(next));
    expect([await index.points(old), await index.points(next)]).toEqual([0, 3]);
  });
});

describe('a document that is deleted', () => {
  test('loses its points, and no late batch brings them back', async () => {
    const made = await index.chunked('gone', 4, { collection: 'gone' });
    const events = embedded(made, 2);
    await index.receive(events[0] as CloudEvent);
    const tombstone = await index.documents.remove('acme', 'gone');
    const event = deleted({ ...made, version: tombstone?.version ?? 0 });
    expect(await index.receive(event)).toEqual([]);
    expect(await index.receiveAll([...events, event, ...events])).toEqual([]);
    expect(await index.points(made)).toBe(0);
    expect(await index.stateOf(made)).toBe('superseded');
  });

  test('and made anew is found in its new version only, also when the delete comes late', async () => {
    const made = await index.chunked('again', 2, { collection: 'again' });
    await index.receiveAll(embedded(made));
    const tombstone = await index.documents.remove('acme', 'again');
    const anew = await index.chunked('again', 2, { collection: 'again' });
    await index.receiveAll(embedded(anew));
    await index.receive(deleted({ ...made, version: tombstone?.version ?? 0 }));
    expect(anew.version).toBe(3);
    expect(await index.versionsFound(anew)).toEqual([3]);
    expect(await index.points(anew)).toBe(2);
  });

  test('is another than that of another tenant', async () => {
    const [mine, theirs] = [
      await index.chunked('twin', 1, { collection: 'twin' }),
      await index.chunked('twin', 1, { collection: 'twin', tenant: 'other' }),
    ];
    await index.receiveAll([...embedded(mine), ...embedded(theirs)]);
    const tombstone = await index.documents.remove('acme', 'twin');
    await index.receive(deleted({ ...mine, version: tombstone?.version ?? 0 }));
    expect([await index.points(mine), await index.points(theirs)]).toEqual([0, 1]);
  });
});

describe('what does not fit', () => {
  const wrong: [string, Partial<EventData<'chunks.embedded'>>, string, RegExp][] = [
    ['another model', { model: 'large' }, 'model_mismatch', /built for tiny\.3\.c64o8; this is large/],
    ['other dimensions', { dimensions: 4 }, 'model_mismatch', /4 dimensions/],
    ['another generation', { generation: 'large.3.c64o8' }, 'model_mismatch', /large/],
    ['no generation', { generation: 'g' }, 'model_mismatch', /built for g/],
    [
      'a shorter vector',
      { vectors: [{ chunk: 0, vector: encodeVector(Float32Array.of(1, 0)) }] },
      'model_mismatch',
      /2 dimensions; 3/,
    ],
    [
      'half a float',
      { vectors: [{ chunk: 0, vector: Buffer.alloc(10).toString('base64') }] },
      'invalid_request',
      /10 bytes/,
    ],
    [
      'no number',
      { vectors: [{ chunk: 0, vector: encodeVector(Float32Array.of(Number.NaN, 0, 0)) }] },
      'invalid_request',
      /finite/,
    ],
    ['no base64', { vectors: [{ chunk: 0, vector: '%%' }] }, 'invalid_request', /vector/],
    [
      'a chunk that is not there',
      { vectors: [{ chunk: 9, vector: encodeVector(Float32Array.of(1, 0, 0)) }] },
      'unprocessable',
      /has no chunk 9/,
    ],
    ['no version', { version: 0 }, 'invalid_request', /version/],
  ];
  test.each(wrong)('%s is refused for good, and nothing is written', async (name, more, code, message) => {
    const made = await index.chunked(`wrong ${name}`, 1, { collection: 'wrong' });
    const [event] = embedded(made, 3, more) as [CloudEvent];
    await expect(index.receive(event)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
      retryable: false,
    });
    const init = { method: 'POST', ...writeBinary(event) };
    expect((await index.running.fetch(new Request('http://index/', init))).status).toBe(422);
    expect(await index.points(made)).toBe(0);
    expect(await index.stateOf(made)).toBe('chunked');
  });

  test('vectors of a document that was never accepted are dropped', async () => {
    const ghost = { tenant: 'acme', document: 'ghost', version: 1, collection: 'ghost', chunks: 1 };
    expect(await index.receiveAll(embedded(ghost))).toEqual([]);
    expect(await index.points(ghost)).toBe(0);
  });
});

describe('what an index holds', () => {
  test('is told for the collections of the caller', async () => {
    await index.receiveAll(embedded(await index.chunked('counted', 5, { collection: 'counted' })));
    expect(await index.running.call({ collection: 'counted' }, call())).toEqual({
      collection: 'counted',
      generation: GENERATION,
      dimensions: 3,
      points: 5,
    });
    await expect(index.running.call({ collection: 'counted' }, call('other'))).rejects.toMatchObject({
      code: 'unknown_collection',
      status: 404,
    });
    await expect(index.running.call({ collection: 'No Name' }, call())).rejects.toMatchObject({
      code: 'invalid_request',
    });
  });
});
