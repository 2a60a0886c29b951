import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { docxOf } from '../../test/support/docx.ts';
import { withContext } from '../_shared/chunk.ts';
import {
  type CloudEvent,
  EVENTS,
  type EventData,
  emit,
  MAX_EVENT_BYTES,
  toCloudEvent,
} from '../_shared/events.ts';
import { contentHash, pointId } from '../_shared/ids.ts';
import { type RunningStage, runStage } from '../_shared/runtime/run.ts';
import { createDocumentStore } from '../_shared/stores/documents/open.ts';
import type { DocumentStore, NewDocument } from '../_shared/stores/documents/port.ts';
import { folderOriginals } from '../_shared/stores/originals/folder.ts';
import { type OriginalStore, originalKey } from '../_shared/stores/originals/port.ts';
import type { Database } from '../_shared/stores/sql/database.ts';
import { openPGlite } from '../_shared/stores/sql/pglite.ts';
import { openPgVectors } from '../_shared/stores/vectors/pg.ts';
import type { VectorStore } from '../_shared/stores/vectors/port.ts';
import { createLogger } from '../_shared/telemetry/log.ts';
import type { IngestInput, IngestOutput } from './handler.ts';
import { stage } from './index.ts';
import { createParser, type Parser } from './parser/parser.ts';
import { OPTIONS } from './parser/testing/options.ts';

const GENERATION = 'tiny.3.c64o16';
const log = createLogger('silent');
const signal = AbortSignal.timeout(600_000);
type Running = RunningStage<z.input<typeof IngestInput>, z.infer<typeof IngestOutput>>;

let folder: string;
let database: Database;
let documents: DocumentStore;
let originals: OriginalStore;
let vectors: VectorStore;
let parser: Parser;
let running: Running;
/** Called before a document is read. */
let beforeReading: (() => Promise<unknown>) | undefined;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'knarr-ingest-'));
  database = await openPGlite();
  documents = await createDocumentStore(database);
  vectors = await openPgVectors(database);
  originals = folderOriginals(folder);
  parser = createParser(OPTIONS);
  const watched: Parser = {
    ...parser,
    async parse(...given) {
      await beforeReading?.();
      return parser.parse(...given);
    },
  };
  const deps = { documents, originals, vectors, parser: watched };
  running = runStage(stage, deps, { log, checkOutput: true }) as unknown as Running;
});
afterAll(async () => {
  await parser?.close();
  await database?.close();
  await rm(folder, { recursive: true, force: true });
});

interface Reference {
  tenant: string;
  document: string;
  version: number;
}

/** A new version of a document, its original kept. */
async function accepted(
  document: string,
  content: string | Buffer,
  more: Partial<NewDocument> = {},
): Promise<Reference> {
  const hash = contentHash(content);
  const original = originalKey('acme', hash);
  await originals.put(original, Buffer.from(content));
  const given = {
    tenant: 'acme',
    document,
    collection: 'default',
    generation: GENERATION,
    title: null,
    uri: null,
  };
  const kept = {
    contentType: 'text/markdown',
    contentHash: hash,
    bytes: content.length,
    original,
    metadata: {},
    acl: ['*'],
  };
  const { version } = await documents.accept({ ...given, ...kept, ...more });
  return { tenant: 'acme', document, version };
}

function receive(
  { tenant, document, version }: Reference,
  more: { afresh?: true } = {},
): Promise<CloudEvent[]> {
  const data = { document, version, collection: 'default', ...more };
  return running.receive(
    toCloudEvent('gateway', emit('document.accepted', document, data), { tenant }),
    signal,
  );
}

const stateOf = async (ref: Reference) => (await documents.version(ref))?.state;
const created = (events: readonly CloudEvent[]) =>
  events
    .filter(({ type }) => type.includes('chunks.created'))
    .map(({ data }) => data as EventData<'chunks.created'>);
const embedded = (events: readonly CloudEvent[]) =>
  events
    .filter(({ type }) => type.includes('chunks.embedded'))
    .map(({ data }) => data as EventData<'chunks.embedded'>);
const sections = (count: number, edited?: number) =>
  Array.from(
    { length: count },
    (_, i) =>
      `## Part ${i}\n\n${i === edited ? 'An edit. ' : ''}${`The ship of part ${i} carried wool and fish. `.repeat(5)}`,
  ).join('\n\n');

describe('an accepted document', () => {
  test('is kept as chunks, which are sent on to be embedded', async () => {
    const ref = await accepted('ships', `# Ships\n\n${sections(2)}`);
    const events = await receive(ref);
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

    expect(await documents.version(ref)).toMatchObject({
      state: 'chunked',
      title: 'Ships',
      chunks: 2,
      indexedChunks: 0,
    });
    const rows = await documents.chunks(ref);
    expect(rows.map(({ chunk, text }) => ({ chunk, text }))).toEqual(
      data.chunks.map(({ chunk, text }) => ({ chunk, text })),
    );
    expect(rows[1]).toMatchObject({ headings: ['Ships', 'Part 1'], start: rows[0]?.end && rows[0].end + 2 });
  });

  test('says the same when it is delivered again', async () => {
    const ref = await accepted('again', sections(3));
    const first = await receive(ref);
    const second = await receive(ref);
    expect(second.map(({ id }) => id)).toEqual(first.map(({ id }) => id));
    expect((await documents.version(ref))?.chunks).toBe(3);
  });

  test('keeps the title that it was given', async () => {
    const ref = await accepted('titled', '# Own\n\ntext', { title: 'Given' });
    const [data] = created(await receive(ref));
    expect(data?.chunks[0]?.context).toBe('Given › Own');
    expect((await documents.version(ref))?.title).toBe('Given');
  });

  test('is cut into the sizes of its generation', async () => {
    const text = sections(1).repeat(4);
    const sizes = async (generation: string) => {
      const collection = `sized-${generation.length}`;
      const ref = await accepted(`sized ${generation}`, text, { generation, collection });
      await receive(ref);
      return (await documents.chunks(ref)).map(({ tokens }) => tokens);
    };
    expect(Math.max(...(await sizes('tiny.3.c32o0')))).toBeLessThanOrEqual(32);
    expect(Math.max(...(await sizes('tiny.3.c128o0')))).toBeGreaterThan(96);
  });

  test('of many chunks goes in several events, each small enough and each chunk once', async () => {
    const ref = await accepted('large', sections(900));
    const events = await receive(ref);
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

  test.each([
    ['text that JSON escapes', 'text/plain', `${'"\\'.repeat(20_000)} `.repeat(4)],
    ['text of three bytes a character', 'text/plain', '船'.repeat(100_000)],
    ['one word', 'text/plain', 'x'.repeat(300_000)],
    ['a long name', 'text/plain', sections(50)],
  ])('%s stays within the size of an event', async (what, contentType, content) => {
    const ref = await accepted(what === 'a long name' ? '"'.repeat(512) : what, content, {
      contentType,
      generation: 'tiny.3.c8192o0',
    });
    const events = await receive(ref);
    expect(events.length).toBeGreaterThan(0);
    for (const event of events)
      expect(Buffer.byteLength(JSON.stringify(event))).toBeLessThan(MAX_EVENT_BYTES);
  });
});

describe('a version that has ended', () => {
  test.each([
    ['superseded', async (ref: Reference) => accepted(ref.document, 'newer')],
    ['deleted', async (ref: Reference) => documents.remove('acme', ref.document)],
    [
      'dead_lettered',
      async (ref: Reference) => documents.fail(ref, { code: 'unprocessable', message: 'broken' }),
    ],
  ])('%s: it is not read', async (state, end) => {
    const ref = await accepted(`ended ${state}`, 'older');
    await end(ref);
    let reads = 0;
    beforeReading = async () => reads++;
    expect(await receive(ref)).toEqual([]);
    beforeReading = undefined;
    expect(reads).toBe(0);
    expect(await documents.chunks(ref)).toEqual([]);
  });

  test('while it was read: nothing is kept or said', async () => {
    const ref = await accepted('overtaken', 'older');
    beforeReading = () => accepted('overtaken', 'newer');
    expect(await receive(ref)).toEqual([]);
    beforeReading = undefined;
    expect(await stateOf(ref)).toBe('superseded');
    expect(await documents.chunks(ref)).toEqual([]);
  });
});

describe('failures', () => {
  test('a missing original may come back: worth another try', async () => {
    const ref = await accepted('lost', 'text');
    await originals.delete((await documents.version(ref))?.original as string);
    await expect(receive(ref)).rejects.toMatchObject({ code: 'unavailable', retryable: true });
    expect(await stateOf(ref)).toBe('accepted');
  });

  test('a version that there never was is refused for good', async () => {
    await expect(receive({ tenant: 'acme', document: 'never', version: 1 })).rejects.toMatchObject({
      code: 'unprocessable',
      message: 'There is no version 1 of this document.',
    });
    const ref = await accepted('of acme', 'text');
    await expect(receive({ ...ref, tenant: 'other' })).rejects.toMatchObject({ code: 'unprocessable' });
  });

  test('a document that cannot be read is refused for good, with the reason', async () => {
    const ref = await accepted('broken', '%PDF-1.7 broken', { contentType: 'application/pdf' });
    await expect(receive(ref)).rejects.toMatchObject({
      code: 'unprocessable',
      retryable: false,
      message: 'The PDF cannot be read. It may be damaged.',
    });
    expect(await stateOf(ref)).toBe('accepted');
  });
});

describe('an edited document', () => {
  /** What the index stage does with the chunks of a version. */
  async function index(ref: Reference): Promise<void> {
    const scope = { tenant: 'acme', collection: 'default', generation: GENERATION, dimensions: 3 };
    const rows = await documents.chunks(ref);
    const points = rows.map(({ chunk, text, headings }) => ({
      id: pointId('acme', ref.document, ref.version, chunk, GENERATION),
      document: ref.document,
      version: ref.version,
      chunk,
      vector: new Float32Array([chunk, 1, 0]),
      text: withContext(headings.join(' › '), text),
      metadata: {},
      acl: ['*'],
    }));
    await vectors.upsert(scope, points);
  }

  test('sends only the chunks that changed to be embedded', async () => {
    await receive(await accepted('edited', sections(10)));
    await index({ tenant: 'acme', document: 'edited', version: 1 });
    const events = await receive(await accepted('edited', sections(10, 4)));
    expect(created(events).flatMap(({ chunks }) => chunks.map(({ chunk }) => chunk))).toEqual([4]);
    const known = embedded(events).flatMap((data) => data.vectors);
    expect(known.map(({ chunk }) => chunk)).toEqual([0, 1, 2, 3, 5, 6, 7, 8, 9]);
    expect(embedded(events)[0]).toMatchObject({ model: 'tiny', dimensions: 3, batch: 1, batches: 2 });
    for (const { data, type } of events) {
      const schema = type.includes('created') ? EVENTS['chunks.created'] : EVENTS['chunks.embedded'];
      expect(schema.parse(data)).toEqual(data);
    }
  });

  test('sends all of them when that is asked for', async () => {
    const events = await receive({ tenant: 'acme', document: 'edited', version: 2 }, { afresh: true });
    expect(embedded(events)).toEqual([]);
    expect(created(events).flatMap(({ chunks }) => chunks)).toHaveLength(10);
  });
});

describe('a preview', () => {
  const call = { tenant: 'acme', principals: ['*'], signal };

  test('shows how a document would be cut, and keeps nothing', async () => {
    const preview = await running.call({ text: '# A\n\nb', content_type: 'text/markdown' }, call);
    expect(preview).toEqual({
      title: 'A',
      text_length: 4,
      chunks: [{ chunk: 0, text: 'A\n\nb', range: [0, 4], headings: ['A'], tokens: 2 }],
    });
    const data = docxOf([{ text: 'Ships', style: 'Heading1' }, { text: 'text' }]).toString('base64');
    const content_type = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';
    expect(await running.call({ data, content_type, title: 'Mine' }, call)).toMatchObject({
      title: 'Mine',
      text_length: 11,
    });
    expect((await running.call({ text: 'plain' }, call)).chunks).toHaveLength(1);
  });

  test.each([
    ['neither text nor data', {}],
    ['both', { text: 'a', data: 'YQ==' }],
    ['data that is not base64', { data: 'a b' }],
  ])('%s is refused', async (_, input) => {
    await expect(running.call(input, call)).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('a large document in base64', async () => {
    const data = `${Buffer.alloc(12_000_000, ' ').toString('base64')}eHg=`;
    expect((await running.call({ data, content_type: 'text/plain' }, call)).text_length).toBe(2);
  });

  test('an unknown media type is refused as such', async () => {
    await expect(running.call({ text: 'a', content_type: 'image/png' }, call)).rejects.toMatchObject({
      code: 'unsupported_media_type',
    });
  });
});
