import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withContext } from '../_shared/chunk.ts';
import { EVENTS } from '../_shared/events.ts';
import { pointId } from '../_shared/ids.ts';
import type { DocumentRef } from '../_shared/stores/documents/records.ts';
import { created, embedded, GENERATION, openTestIngest, sections, type TestIngest } from './testing.ts';

let ingest: TestIngest;
beforeAll(async () => {
  ingest = await openTestIngest();
});
afterAll(() => ingest?.close());

describe('an edited document', () => {
  /** What the index stage does with the chunks of a version. */
  async function index(ref: DocumentRef): Promise<void> {
    const scope = { tenant: 'acme', collection: 'default', generation: GENERATION, dimensions: 3 };
    const rows = await ingest.documents.chunks(ref);
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
    await ingest.vectors.upsert(scope, points);
  }

  test('sends only the chunks that changed to be embedded', async () => {
    await ingest.receive(await ingest.accepted('edited', sections(10)));
    await index({ tenant: 'acme', document: 'edited', version: 1 });
    const events = await ingest.receive(await ingest.accepted('edited', sections(10, 4)));
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
    const ref = { tenant: 'acme', document: 'edited', version: 2 };
    const events = await ingest.receive(ref, { afresh: true });
    expect(embedded(events)).toEqual([]);
    expect(created(events).flatMap(({ chunks }) => chunks)).toHaveLength(10);
  });
});
