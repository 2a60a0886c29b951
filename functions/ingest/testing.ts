import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import { type CloudEvent, type EventData, emit, toCloudEvent } from '../_shared/events.ts';
import { contentHash } from '../_shared/ids.ts';
import { type RunningStage, runStage } from '../_shared/runtime/run.ts';
import { createDocumentStore } from '../_shared/stores/documents/open.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import type { DocumentRef, NewDocument } from '../_shared/stores/documents/records.ts';
import { folderOriginals } from '../_shared/stores/originals/folder.ts';
import { type OriginalStore, originalKey } from '../_shared/stores/originals/port.ts';
import { openPGlite } from '../_shared/stores/sql/pglite.ts';
import { openPgVectors } from '../_shared/stores/vectors/pg.ts';
import type { VectorStore } from '../_shared/stores/vectors/port.ts';
import { createLogger } from '../_shared/telemetry/log.ts';
import type { IngestInput, IngestOutput } from './handler.ts';
import { stage } from './index.ts';
import { createParser, type Parser } from './parser/parser.ts';
import { OPTIONS } from './parser/testing/options.ts';

export const GENERATION = 'tiny.3.c64o16';
export const signal = AbortSignal.timeout(600_000);

/** The stage over real stores and a real parser, for tests. */
export interface TestIngest {
  running: RunningStage<z.input<typeof IngestInput>, z.infer<typeof IngestOutput>>;
  documents: DocumentStore;
  originals: OriginalStore;
  vectors: VectorStore;
  /** Called before each document that is read. */
  beforeReading: (() => Promise<unknown>) | undefined;
  /** A new version of a document, its original kept. */
  accepted(document: string, content: string, more?: Partial<NewDocument>): Promise<DocumentRef>;
  /** What the stage says to the event of an accepted version. */
  receive(ref: DocumentRef, more?: { afresh?: true; again?: true }): Promise<CloudEvent[]>;
  close(): Promise<void>;
}

export async function openTestIngest(): Promise<TestIngest> {
  const folder = await mkdtemp(join(tmpdir(), 'knarr-ingest-'));
  const database = await openPGlite();
  const documents = await createDocumentStore(database);
  const vectors = await openPgVectors(database);
  const originals = folderOriginals(folder);
  const parser = createParser(OPTIONS);
  const watched: Parser = {
    ...parser,
    async parse(...given) {
      await ingest.beforeReading?.();
      return parser.parse(...given);
    },
  };
  const deps = { documents, originals, vectors, parser: watched };
  const running = runStage(stage, deps, { log: createLogger('silent'), checkOutput: true });
  const ingest: TestIngest = {
    running: running as unknown as TestIngest['running'],
    documents,
    originals,
    vectors,
    beforeReading: undefined,
    async accepted(document, content, more = {}) {
      const hash = contentHash(content);
      const original = originalKey('acme', hash);
      await originals.put(original, Buffer.from(content));
      const { version } = await documents.accept({
        tenant: 'acme',
        document,
        collection: 'default',
        generation: GENERATION,
        title: null,
        uri: null,
        contentType: 'text/markdown',
        contentHash: hash,
        bytes: content.length,
        original,
        metadata: {},
        acl: ['*'],
        ...more,
      });
      return { tenant: 'acme', document, version };
    },
    receive({ tenant, document, version }, more = {}) {
      const data = { document, version, collection: 'default', ...more };
      const event = toCloudEvent('gateway', emit('document.accepted', document, data), { tenant });
      return running.receive(event, signal);
    },
    async close() {
      await parser.close();
      await database.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return ingest;
}

export const created = (events: readonly CloudEvent[]) =>
  events
    .filter(({ type }) => type.includes('chunks.created'))
    .map(({ data }) => data as EventData<'chunks.created'>);

export const embedded = (events: readonly CloudEvent[]) =>
  events
    .filter(({ type }) => type.includes('chunks.embedded'))
    .map(({ data }) => data as EventData<'chunks.embedded'>);

/** Markdown of so many sections, each a chunk; `edited` names one that says more than before. */
export const sections = (count: number, edited?: number) =>
  Array.from(
    { length: count },
    (_, i) =>
      `## Part ${i}\n\n${i === edited ? 'An edit. ' : ''}${`The ship of part ${i} carried wool and fish. `.repeat(5)}`,
  ).join('\n\n');
