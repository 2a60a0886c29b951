import { chunkContext, withContext } from '../_shared/chunk.ts';
import type { Drift } from '../_shared/contracts.ts';
import { KnarrError } from '../_shared/errors.ts';
import { type CloudEvent, type Emitted, type EventData, emit, toCloudEvent } from '../_shared/events.ts';
import { pointId } from '../_shared/ids.ts';
import { type RunningStage, runStage } from '../_shared/runtime/run.ts';
import { given } from '../_shared/stores/documents/contract/fixtures.ts';
import { createDocumentStore } from '../_shared/stores/documents/open.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import type { StoredChunk } from '../_shared/stores/documents/records.ts';
import { openPGlite } from '../_shared/stores/sql/pglite.ts';
import { openPgVectors } from '../_shared/stores/vectors/pg.ts';
import type { Point, VectorStore } from '../_shared/stores/vectors/port.ts';
import { createLogger } from '../_shared/telemetry/log.ts';
import { createMetrics, type Metrics } from '../_shared/telemetry/metrics.ts';
import type { RecoverDeps, RecoverInput, RecoverOutput } from './handler.ts';
import { createRecover, stage } from './index.ts';
import { PACE } from './upkeep.ts';

const GENERATION = 'model.4.c32o4';
export const scope = { tenant: 'acme', collection: 'default', generation: GENERATION, dimensions: 4 };
/** A comparison that finds no drift. */
export const NONE = { missing: 0, phantom: 0, duplicate: 0, wrong_hash: 0 };
/** What one finds after `drifted`. */
export const FOUND = { missing: 1, phantom: 2, duplicate: 0, wrong_hash: 1 };

type Task = EventData<'timer.fired'>['task'];

/** The stage over real stores, for tests. Nothing is too young to be sent off again, or to be removed. */
export interface TestRecover {
  running: RunningStage<RecoverInput, RecoverOutput>;
  deps: RecoverDeps;
  documents: DocumentStore;
  vectors: VectorStore;
  metrics: Metrics;
  /** Which were removed, and whether their store is away. */
  originals: { removed: string[]; isAway: boolean };
  reconcile(repair: boolean, cursor?: string): Promise<Drift>;
  /** What is said when a timer has fired. */
  fire(task: Task): Promise<CloudEvent[]>;
  /** A document of `acme` that is indexed: its points, one for each text. */
  indexed(document: string, texts: readonly string[]): Promise<Point[]>;
  /** Two collections, with a lost point, a point of nothing and one of another text, in different pages. */
  drifted(): Promise<void>;
  /** A comparison of a page at a time, until `work` is done. */
  bitByBit<T>(work: () => Promise<T>): Promise<T>;
  /** All that waits in the outbox, which is empty then. */
  outbox(): Promise<Emitted[]>;
  /** A metric's value; `name` is part of a regular expression. */
  gauge(name: string): Promise<number>;
  close(): Promise<void>;
}

export async function openTestRecover(): Promise<TestRecover> {
  const database = await openPGlite();
  const documents = await createDocumentStore(database);
  const vectors = await openPgVectors(database);
  const metrics = createMetrics();
  const state = { removed: [] as string[], isAway: false };
  const originals = {
    put: async () => {},
    get: async () => undefined,
    async delete(key: string) {
      if (state.isAway) throw new KnarrError('unavailable', 'The store of originals is away.');
      state.removed.push(key);
    },
    ping: async () => {},
  };
  const limits = {
    redriveAfterMs: -1000,
    redriveAttempts: 1,
    purgeAfterMs: -1000,
    deadLetterRetentionMs: 60_000,
  };
  const pace = { ...PACE };
  const deps = createRecover({ documents, vectors, originals }, limits, metrics, pace);
  const running = runStage(stage, deps, { log: createLogger('silent'), metrics });
  const { signal } = new AbortController();

  async function indexed(document: string, texts: readonly string[]): Promise<Point[]> {
    const content = given('acme', document, texts.join(), { generation: GENERATION });
    const { version } = await documents.accept(content);
    const ref = { tenant: 'acme', document, version };
    const chunks = chunksOf(texts);
    await documents.saveChunks(ref, { title: null, chunks });
    const points = chunks.map((chunk) => pointOf(document, version, chunk));
    await vectors.upsert(scope, points);
    await documents.recordIndexed(
      ref,
      chunks.map(({ chunk }) => chunk),
    );
    await vectors.remove('acme', document, version);
    await documents.complete(ref);
    return points;
  }
  async function outbox() {
    const entries = await documents.claimOutbox(1000);
    await documents.ackOutbox(entries.map(({ id }) => id));
    return entries.map(({ emitted }) => emitted);
  }
  const reconcile = async (repair: boolean, cursor?: string) =>
    (await running.call(
      { action: 'reconcile', repair, cursor },
      { tenant: 'acme', principals: ['*'], signal },
    )) as Drift;

  return {
    ...{ running, deps, documents, vectors, metrics, originals: state, reconcile, indexed, outbox },
    fire: (task) => running.receive(timer(task), signal),
    async drifted() {
      const [, second] = (await indexed('f', ['one', 'two', 'three'])) as [Point, Point, Point];
      const [wrong] = (await indexed('g', ['right'])) as [Point];
      const [stray] = chunksOf(['stray']) as [StoredChunk];
      await outbox();
      await reconcile(true);
      await outbox();
      await vectors.removePoints(scope, [second.id]);
      await vectors.upsert(scope, [{ ...wrong, text: 'wrong' }, pointOf('nowhere', 1, stray)]);
      await vectors.upsert({ ...scope, collection: 'another' }, [pointOf('elsewhere', 1, stray)]);
    },
    async bitByBit(work) {
      Object.assign(pace, { pageSize: 1, callMs: 0, tickMs: 0 });
      try {
        return await work();
      } finally {
        Object.assign(pace, PACE);
      }
    },
    gauge: async (name) =>
      Number((await metrics.text()).match(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm'))?.[1]),
    close: () => database.close(),
  };
}

export const chunksOf = (texts: readonly string[]): StoredChunk[] =>
  texts.map((text, chunk) => ({ chunk, text, start: chunk, end: chunk + 1, headings: ['H'], tokens: 1 }));

export const pointOf = (
  document: string,
  version: number,
  { chunk, text, headings }: StoredChunk,
): Point => ({
  id: pointId('acme', document, version, chunk, GENERATION),
  document,
  version,
  chunk,
  vector: Float32Array.of(1, 0, 0, 0),
  text: withContext(chunkContext(null, headings), text),
  metadata: {},
  acl: ['*'],
});

export const timer = (task: Task) =>
  toCloudEvent('timer', emit('timer.fired', task, { task }), { tenant: 'system' });

/** What an event is given up with. */
export const PROBLEM = { status: 422, code: 'unprocessable', detail: 'The PDF is broken.' };
/** An event that the Broker has given up on, with the answer that it had. */
export function dead(
  emitted: Emitted,
  tenant: string,
  body: unknown = PROBLEM,
  more: object = {},
): CloudEvent {
  return {
    ...toCloudEvent('gateway', emitted, { tenant }),
    knativeerrordest: 'http://ingest.default.svc.cluster.local',
    knativeerrorcode: 422,
    knativeerrordata: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)).toString('base64'),
    ...more,
  };
}
