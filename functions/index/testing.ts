import { setMaxListeners } from 'node:events';
import type { z } from 'zod';
import { type CloudEvent, type EventData, emit, toCloudEvent } from '../_shared/events.ts';
import { type RunningStage, runStage } from '../_shared/runtime/run.ts';
import { createDocumentStore } from '../_shared/stores/documents/open.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import type { DocumentState } from '../_shared/stores/documents/records.ts';
import { openPGlite } from '../_shared/stores/sql/pglite.ts';
import { openPgVectors } from '../_shared/stores/vectors/pg.ts';
import type { VectorStore } from '../_shared/stores/vectors/port.ts';
import { createLogger } from '../_shared/telemetry/log.ts';
import { encodeVector } from '../_shared/vectors.ts';
import type { IndexDeps, IndexInput, IndexOutput } from './handler.ts';
import { stage } from './index.ts';

export const GENERATION = 'tiny.3.c64o8';
const TEXTS = ['oars', 'sails', 'masts', 'ropes', 'keels', 'decks', 'holds'];
const log = createLogger('silent');
export const { signal } = new AbortController();
setMaxListeners(0, signal);

type Running = RunningStage<z.infer<typeof IndexInput>, z.infer<typeof IndexOutput>>;

/** A version of a document with its chunks. */
export interface Made {
  tenant: string;
  document: string;
  version: number;
  collection: string;
  chunks: number;
}

/** The stage over real stores, for tests. */
export interface TestIndex {
  running: Running;
  documents: DocumentStore;
  vectors: VectorStore;
  /** A new version of a document, read and cut into chunks; not embedded yet. */
  chunked(document: string, chunks?: number, more?: Record<string, unknown>): Promise<Made>;
  receive(event: CloudEvent): Promise<CloudEvent[]>;
  /** One after the other; what was said in turn. */
  receiveAll(events: CloudEvent[]): Promise<CloudEvent[]>;
  /** How many points the document's collection has. */
  points(made: Made): Promise<number>;
  /** Versions of the document that a search for the text finds. */
  versionsFound(made: Made, text?: string): Promise<number[]>;
  stateOf(made: Made): Promise<DocumentState | undefined>;
  close(): Promise<void>;
}

export const runIndex = (deps: IndexDeps) => runStage(stage, deps, { log, checkOutput: true });

export async function openTestIndex(): Promise<TestIndex> {
  const database = await openPGlite();
  const documents = await createDocumentStore(database);
  const vectors = await openPgVectors(database);
  const running = runIndex({ documents, vectors }) as Running;
  const receive = (event: CloudEvent) => running.receive(event, signal);

  return {
    running,
    documents,
    vectors,
    async chunked(document, chunks = 7, more = {}) {
      const given = { tenant: 'acme', collection: 'default', title: null, acl: ['*'], ...more };
      const { version } = await documents.accept({
        document,
        generation: GENERATION,
        uri: null,
        contentType: 'text/plain',
        contentHash: crypto.randomUUID(),
        bytes: 1,
        original: 'x',
        metadata: {},
        ...given,
      });
      const ref = { tenant: given.tenant, document, version };
      const saved = Array.from({ length: chunks }, (_, chunk) => ({
        chunk,
        text: `${TEXTS[chunk % TEXTS.length]} of version ${version}`,
        start: chunk * 10,
        end: chunk * 10 + 9,
        headings: ['Rigging'],
        tokens: 4,
      }));
      await documents.saveChunks(ref, { title: given.title, chunks: saved });
      return { ...ref, collection: given.collection, chunks };
    },
    receive,
    async receiveAll(events) {
      const said: CloudEvent[] = [];
      for (const event of events) said.push(...(await receive(event)));
      return said;
    },
    points: ({ tenant, collection }) => vectors.count({ tenant, collection, generation: GENERATION }),
    async versionsFound({ tenant, collection, document }, text = 'version') {
      const hits = await vectors.search(
        { tenant, collection, generation: GENERATION },
        { tenant, principals: ['*'] },
        { mode: 'lexical', text, limit: 1000 },
      );
      return [
        ...new Set(hits.filter((hit) => hit.document === document).map(({ version }) => version)),
      ].sort();
    },
    stateOf: async ({ tenant, document, version }) =>
      (await documents.version({ tenant, document, version }))?.state,
    close: () => database.close(),
  };
}

/** The events of a version's vectors, `size` chunks each. */
export function embedded(
  made: Made,
  size = 3,
  more: Partial<EventData<'chunks.embedded'>> = {},
): CloudEvent[] {
  const { tenant, document, version, collection, chunks } = made;
  const batches = Math.ceil(chunks / size);
  return Array.from({ length: batches }, (_, batch) => {
    const first = batch * size;
    const vectors = Array.from({ length: Math.min(size, chunks - first) }, (_, i) => ({
      chunk: first + i,
      vector: encodeVector(Float32Array.of(1, (first + i) / 10, 0)),
    }));
    const reference = { document, version, collection, batch, batches };
    const data = { ...reference, generation: GENERATION, model: 'tiny', dimensions: 3, vectors, ...more };
    return toCloudEvent('embed', emit('chunks.embedded', document, data), { tenant });
  });
}

export const deleted = ({ document, version, collection, tenant }: Made): CloudEvent =>
  toCloudEvent('gateway', emit('document.deleted', document, { document, version, collection }), { tenant });
