import type { SearchInput, SearchOutput } from '../_shared/contracts.ts';
import { pointId } from '../_shared/ids.ts';
import { type RunningStage, runStage } from '../_shared/runtime/run.ts';
import type { Call } from '../_shared/stage.ts';
import { createDocumentStore } from '../_shared/stores/documents/open.ts';
import { openPGlite } from '../_shared/stores/sql/pglite.ts';
import { openPgVectors } from '../_shared/stores/vectors/pg.ts';
import type { Point } from '../_shared/stores/vectors/port.ts';
import { createLogger } from '../_shared/telemetry/log.ts';
import { stage } from './index.ts';

const GENERATION = 'tiny.3.c64o8';
export const [NORTH, EAST] = [Float32Array.of(1, 0, 0), Float32Array.of(0, 1, 0)];
/** Between the two, nearer to the first. */
export const between = (share: number) => Float32Array.of(Math.cos(share), Math.sin(share), 0);

/** The stage over real stores, for tests. */
export interface TestSearch {
  running: RunningStage<SearchInput, SearchOutput>;
  /** A collection with one accepted document, so that it exists. */
  collection(name: string, tenant?: string): Promise<void>;
  /** A collection with these points; what they leave out is for everybody, and lies north. */
  index(name: string, points: (Partial<Point> & { document: string })[], tenant?: string): Promise<void>;
  /** Asks for ships in the default collection, as everybody in acme, unless told otherwise. */
  search(more: Partial<SearchInput>, as?: Partial<Call>): Promise<SearchOutput>;
  /** The same; the documents that it finds. */
  found(more: Partial<SearchInput>, as?: Partial<Call>): Promise<string[]>;
  close(): Promise<void>;
}

export async function openTestSearch(): Promise<TestSearch> {
  const database = await openPGlite();
  const documents = await createDocumentStore(database);
  const vectors = await openPgVectors(database);
  const running = runStage(
    stage,
    { documents, vectors },
    { log: createLogger('silent'), checkOutput: true },
  ) as TestSearch['running'];

  async function collection(name: string, tenant = 'acme'): Promise<void> {
    await documents.accept({
      tenant,
      document: `of ${name}`,
      collection: name,
      generation: GENERATION,
      title: null,
      uri: null,
      contentType: 'text/plain',
      contentHash: name,
      bytes: 1,
      original: 'x',
      metadata: {},
      acl: ['*'],
    });
  }
  const search: TestSearch['search'] = (more, as = {}) =>
    running.call(
      { collection: 'default', mode: 'hybrid', limit: 10, query: 'ship', ...more },
      { tenant: 'acme', principals: ['*'], signal: AbortSignal.timeout(30_000), ...as },
    );
  return {
    running,
    collection,
    async index(name, points, tenant = 'acme') {
      await collection(name, tenant);
      const scope = { tenant, collection: name, generation: GENERATION, dimensions: 3 };
      const whole = points.map((point) => ({
        id: pointId(tenant, point.document, 1, point.chunk ?? 0, GENERATION),
        version: 1,
        chunk: 0,
        vector: NORTH,
        text: point.document,
        metadata: {},
        acl: ['*'],
        ...point,
      }));
      await vectors.upsert(scope, whole);
    },
    search,
    found: async (more, as) => (await search(more, as)).hits.map(({ document }) => document),
    close: () => database.close(),
  };
}

/** A collection `shared` with a document for everybody, one for ann and one for a crew; and another tenant's of that name. */
export async function indexShared({ index }: TestSearch): Promise<void> {
  await index('shared', [
    { document: 'open', text: 'ship' },
    { document: 'for ann', text: 'ship', acl: ['user:ann'] },
    { document: 'for crew', text: 'ship', acl: ['group:crew', 'user:bob'] },
  ]);
  await index('shared', [{ document: 'theirs', text: 'ship' }], 'other');
}
