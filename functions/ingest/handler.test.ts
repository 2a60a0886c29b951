import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { docxOf } from '../../test/support/docx.ts';
import { EVENTS, emit, MAX_EVENT_BYTES, toCloudEvent } from '../_shared/events.ts';
import { MAX_DIMENSIONS } from '../_shared/generation.ts';
import { writeBinary } from '../_shared/runtime/cloudevents.ts';
import type { DocumentRef } from '../_shared/stores/documents/records.ts';
import { encodeVector } from '../_shared/vectors.ts';
import { created, GENERATION, openTestIngest, sections, signal, type TestIngest } from './testing.ts';

let ingest: TestIngest;
beforeAll(async () => {
  ingest = await openTestIngest();
});
afterAll(() => ingest?.close());

const stateOf = async (ref: DocumentRef) => (await ingest.documents.version(ref))?.state;

describe('an accepted document', () => {
  test('is kept as chunks, which are sent on to be embedded', async () => {
    const ref = await ingest.accepted('ships', `# Ships\n\n${sections(2)}`);
    const events = await ingest.receive(ref);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      type: 'dev.knarr.chunks.created.v1',
      source: '/knarr/ingest',
      subject: 'ships',
      tenant: 'acme',
    });
    const data = EVENTS['chunks.created'].parse(events[0]?.data);
    expect(data).toMatchObject({
      document: 'ships',
      version: 1,
      collection: 'default',
      generation: GENERATION,
      batch: 0,
      batches: 1,
    });
    expect(data.chunks.map(({ chunk, context }) => [chunk, context])).toEqual([
      [0, 'Ships › Part 0'],
      [1, 'Ships › Part 1'],
    ]);

    expect(await ingest.documents.version(ref)).toMatchObject({
      state: 'chunked',
      title: 'Ships',
      chunks: 2,
      indexedChunks: 0,
    });
    const rows = await ingest.documents.chunks(ref);
    expect(rows.map(({ chunk, text }) => ({ chunk, text }))).toEqual(
      data.chunks.map(({ chunk, text }) => ({ chunk, text })),
    );
    expect(rows[1]).toMatchObject({ headings: ['Ships', 'Part 1'], start: rows[0]?.end && rows[0].end + 2 });
  });

  test('says the same when it is delivered again', async () => {
    const ref = await ingest.accepted('again', sections(3));
    const first = await ingest.receive(ref);
    const second = await ingest.receive(ref);
    expect(second.map(({ id }) => id)).toEqual(first.map(({ id }) => id));
    expect((await ingest.documents.version(ref))?.chunks).toBe(3);
  });

  test('keeps the title that it was given', async () => {
    const ref = await ingest.accepted('titled', '# Own\n\ntext', { title: 'Given' });
    const [data] = created(await ingest.receive(ref));
    expect(data?.chunks[0]?.context).toBe('Given › Own');
    expect((await ingest.documents.version(ref))?.title).toBe('Given');
  });

  test('is cut into the sizes of its generation', async () => {
    const text = sections(1).repeat(4);
    const sizes = async (generation: string) => {
      const collection = `sized-${generation.length}`;
      const ref = await ingest.accepted(`sized ${generation}`, text, { generation, collection });
      await ingest.receive(ref);
      return (await ingest.documents.chunks(ref)).map(({ tokens }) => tokens);
    };
    expect(Math.max(...(await sizes('tiny.3.c32o0')))).toBeLessThanOrEqual(32);
    expect(Math.max(...(await sizes('tiny.3.c128o0')))).toBeGreaterThan(96);
  });

  test('of many chunks goes in several events, each small enough and each chunk once', async () => {
    const ref = await ingest.accepted('large', sections(900));
    const events = await ingest.receive(ref);
    const batches = created(events);
    expect(batches.length).toBeGreaterThan(3);
    expect(batches.map(({ batch }) => batch)).toEqual(batches.map((_, index) => index));
    expect(new Set(batches.map((data) => data.batches))).toEqual(new Set([batches.length]));
    expect(batches.flatMap(({ chunks }) => chunks.map(({ chunk }) => chunk))).toEqual(
      Array.from({ length: 900 }, (_, index) => index),
    );
    for (const event of events)
      expect(Buffer.byteLength(JSON.stringify(event))).toBeLessThan(MAX_EVENT_BYTES);
  });

  test.each([3, 384, 1024, 4096, MAX_DIMENSIONS])(
    'of many chunks goes in events whose vectors of length %i fit into one each',
    async (dimensions) => {
      const document = `${dimensions} `.padEnd(512, '漢');
      const generation = `tiny.${dimensions}.c64o16`;
      const ref = await ingest.accepted(document, sections(60), { generation, collection: generation });
      const vector = encodeVector(new Float32Array(dimensions));
      for (const { chunks, ...batch } of created(await ingest.receive(ref))) {
        const vectors = chunks.map(({ chunk }) => ({ chunk, vector }));
        const reply = emit('chunks.embedded', document, { ...batch, model: 'tiny', dimensions, vectors });
        const { headers, body } = writeBinary(toCloudEvent('embed', reply, { tenant: 'acme' }));
        expect(Buffer.byteLength(JSON.stringify(headers) + body)).toBeLessThan(MAX_EVENT_BYTES);
      }
    },
  );

  test.each([
    ['text that JSON escapes', 'text/plain', `${'"\\'.repeat(20_000)} `.repeat(4)],
    ['text of three bytes a character', 'text/plain', '船'.repeat(100_000)],
    ['one word', 'text/plain', 'x'.repeat(300_000)],
    ['a long name', 'text/plain', sections(50)],
  ])('%s stays within the size of an event', async (what, contentType, content) => {
    const ref = await ingest.accepted(what === 'a long name' ? '"'.repeat(512) : what, content, {
      contentType,
      generation: 'tiny.3.c8192o0',
    });
    const events = await ingest.receive(ref);
    expect(events.length).toBeGreaterThan(0);
    for (const event of events)
      expect(Buffer.byteLength(JSON.stringify(event))).toBeLessThan(MAX_EVENT_BYTES);
  });
});

test('a late copy of the event of an indexed version is dropped, unless it is asked for again', async () => {
  const ref = await ingest.accepted('late', '# Late\n\nOnce.');
  await ingest.receive(ref);
  await ingest.documents.recordIndexed(ref, [0]);
  await ingest.documents.complete(ref);
  expect(await ingest.receive(ref)).toEqual([]);
  expect(await ingest.receive(ref, { again: true })).toHaveLength(1);
});

describe('a version that has ended', () => {
  test.each([
    ['superseded', async (ref: DocumentRef) => ingest.accepted(ref.document, 'newer')],
    ['deleted', async (ref: DocumentRef) => ingest.documents.remove('acme', ref.document)],
    [
      'dead_lettered',
      async (ref: DocumentRef) => ingest.documents.fail(ref, { code: 'unprocessable', message: 'broken' }),
    ],
  ])('%s: it is not read', async (state, end) => {
    const ref = await ingest.accepted(`ended ${state}`, 'older');
    await end(ref);
    let reads = 0;
    ingest.beforeReading = async () => reads++;
    expect(await ingest.receive(ref)).toEqual([]);
    ingest.beforeReading = undefined;
    expect(reads).toBe(0);
    expect(await ingest.documents.chunks(ref)).toEqual([]);
  });

  test('while it was read: nothing is kept or said', async () => {
    const ref = await ingest.accepted('overtaken', 'older');
    ingest.beforeReading = () => ingest.accepted('overtaken', 'newer');
    expect(await ingest.receive(ref)).toEqual([]);
    ingest.beforeReading = undefined;
    expect(await stateOf(ref)).toBe('superseded');
    expect(await ingest.documents.chunks(ref)).toEqual([]);
  });
});

describe('failures', () => {
  test('a missing original may come back: worth another try', async () => {
    const ref = await ingest.accepted('lost', 'text');
    await ingest.originals.delete((await ingest.documents.version(ref))?.original as string);
    await expect(ingest.receive(ref)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
    expect(await stateOf(ref)).toBe('accepted');
  });

  test('a version that there never was is refused for good', async () => {
    await expect(ingest.receive({ tenant: 'acme', document: 'never', version: 1 })).rejects.toMatchObject({
      code: 'unprocessable',
      message: 'There is no version 1 of this document.',
    });
    const ref = await ingest.accepted('of acme', 'text');
    await expect(ingest.receive({ ...ref, tenant: 'other' })).rejects.toMatchObject({
      code: 'unprocessable',
    });
  });

  test('a document that cannot be read is refused for good, with the reason', async () => {
    const ref = await ingest.accepted('broken', '%PDF-1.7 broken', { contentType: 'application/pdf' });
    await expect(ingest.receive(ref)).rejects.toMatchObject({
      code: 'unprocessable',
      retryable: false,
      message: 'The PDF cannot be read. It may be damaged.',
    });
    expect(await stateOf(ref)).toBe('accepted');
  });
});

describe('a preview', () => {
  const call = { tenant: 'acme', principals: ['*'], signal };

  test('shows how a document would be cut, and keeps nothing', async () => {
    const preview = await ingest.running.call({ text: '# A\n\nb', content_type: 'text/markdown' }, call);
    expect(preview).toEqual({
      title: 'A',
      text_length: 4,
      chunks: [{ chunk: 0, text: 'A\n\nb', range: [0, 4], headings: ['A'], tokens: 2 }],
    });
    const data = docxOf([{ text: 'Ships', style: 'Heading1' }, { text: 'text' }]).toString('base64');
    const content_type = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';
    expect(await ingest.running.call({ data, content_type, title: 'Mine' }, call)).toMatchObject({
      title: 'Mine',
      text_length: 11,
    });
    expect((await ingest.running.call({ text: 'plain' }, call)).chunks).toHaveLength(1);
  });

  test.each([
    ['neither text nor data', {}],
    ['both', { text: 'a', data: 'YQ==' }],
    ['data that is not base64', { data: 'a b' }],
  ])('%s is refused', async (_, input) => {
    await expect(ingest.running.call(input, call)).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('a large document in base64', async () => {
    const data = `${Buffer.alloc(12_000_000, ' ').toString('base64')}eHg=`;
    expect((await ingest.running.call({ data, content_type: 'text/plain' }, call)).text_length).toBe(2);
  });

  test('an unknown media type is refused as such', async () => {
    await expect(ingest.running.call({ text: 'a', content_type: 'image/png' }, call)).rejects.toMatchObject({
      code: 'unsupported_media_type',
    });
  });
});
