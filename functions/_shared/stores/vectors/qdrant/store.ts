import type { Schemas } from '@qdrant/js-client-rest';
import type { Config } from '../../../config.ts';
import { KnarrError } from '../../../errors.ts';
import { checkQuery, checkVectors } from '../check.ts';
import type { Analyzer } from '../lexical/analyzer.ts';
import { queryVector } from '../lexical/sparse.ts';
import type { Point, PointHit, VectorScope, VectorStore, WorkTime } from '../port.ts';
import { absent, checkWritten, createQdrant, pathOf } from './client.ts';
import { type Made, qdrantCollections } from './collections.ts';
import { qdrantCount } from './count.ts';
import type { qdrantKnobs } from './knobs.ts';
import { qdrantMaintenance } from './maintenance.ts';
import { scopeId, scopePoint, toPoint } from './points.ts';
import { searchRequest } from './search.ts';
import { qdrantStatistics } from './statistics.ts';

/** Points of one write: about half a megabyte at 384 dimensions. */
const WRITE_POINTS = 64;

/**
 * Points in Qdrant. Nothing is asked of the server before the first use, so that a stage starts while it is away.
 * A write counts when the server has applied it (`wait`) on as many replicas as its collection demands. Beside the port's
 * errors it throws `unavailable` when the server cannot be reached or is full, `deadline_exceeded`, `unprocessable` for
 * what its strict mode forbids, and `upstream_failed` when it refuses the key.
 */
export function openQdrantVectors(
  settings: Config<typeof qdrantKnobs> & { qdrantUrl: string },
  analyze: Analyzer,
): VectorStore {
  const qdrant = createQdrant({
    url: settings.qdrantUrl,
    apiKey: settings.qdrantApiKey,
    timeoutMs: settings.qdrantTimeout,
  });
  const written = { wait: true, ordering: settings.qdrantOrdering };
  const read = { consistency: settings.qdrantReadConsistency };
  const collections = qdrantCollections(qdrant, settings, written);
  const count = qdrantCount(qdrant, read);
  const statistics = qdrantStatistics(count);
  const maintenance = qdrantMaintenance(qdrant, collections, count, { written, read });
  const scopesMade = new Set<string>();

  async function write(name: string, points: Schemas['PointStruct'][], time?: WorkTime): Promise<void> {
    const result = await qdrant<Schemas['UpdateResult']>(
      { method: 'PUT', path: `${pathOf(name)}/points`, query: written, body: { points } },
      time,
    );
    checkWritten(result);
  }

  async function upsert(scope: VectorScope, points: readonly Point[], time?: WorkTime): Promise<void> {
    await collections.ensure(scope, time);
    const name = collections.nameOf(scope.generation);
    const id = scopeId(scope);
    if (!scopesMade.has(id)) await write(name, [scopePoint(scope)], time);
    scopesMade.add(id);
    for (let start = 0; start < points.length; start += WRITE_POINTS) {
      const part = points.slice(start, start + WRITE_POINTS);
      const terms = await analyze(part.map(({ text }) => text));
      const body = part.map((point, n) => toPoint(scope, point, terms[n] ?? new Map(), settings.bm25Length));
      await write(name, body, time);
    }
  }

  /** A scope that holds nothing may still be there. */
  async function checkScope(name: string, scope: Parameters<VectorStore['search']>[0], time: WorkTime) {
    const body = { ids: [scopeId(scope)], with_payload: false };
    const request = { method: 'POST', path: `${pathOf(name)}/points`, query: read, body } as const;
    const found = await qdrant<Schemas['Record'][]>(request, time).catch(absent);
    if (!found?.length) throw unknownCollection(scope.collection);
  }

  /** Words that this process has written or removed count in its next search. */
  const changing = <T>(work: Promise<T>) => work.finally(() => statistics.forget());

  /** A question's terms as the collection wants them. */
  async function question(
    scope: Parameters<VectorStore['search']>[0],
    text: string,
    made: Made,
    time: WorkTime,
  ) {
    const [terms = new Map()] = await analyze([text]);
    const vector = queryVector(scope, terms);
    return made.serverWeighs
      ? vector
      : statistics.weigh(collections.nameOf(scope.generation), scope, vector, time);
  }

  return {
    async upsert(scope, points, time) {
      checkVectors(scope, points);
      // Of points with the same id the last one counts.
      const distinct = [...new Map(points.map((point) => [point.id, point])).values()];
      try {
        await changing(upsert(scope, distinct, time));
      } catch (thrown) {
        absent(thrown);
        // The collection was dropped since it was last seen.
        collections.forget(scope.generation);
        scopesMade.clear();
        await changing(upsert(scope, distinct, time));
      }
    },

    async search(scope, caller, query) {
      const { tenant, collection, generation } = scope;
      const made = await collections.find(generation, caller);
      if (!made || tenant !== caller.tenant) throw unknownCollection(collection);
      checkQuery(query, made.dimensions);
      const lexical =
        query.mode === 'dense' ? undefined : await question(scope, query.text ?? '', made, caller);
      const body = searchRequest(scope, caller, query, lexical, settings);
      const name = collections.nameOf(generation);
      const request = { method: 'POST', path: `${pathOf(name)}/points/query`, query: read } as const;
      const found =
        body && (await qdrant<Schemas['QueryResponse']>({ ...request, body }, caller).catch(absent));
      if (found === undefined && body) collections.forget(generation);
      if (!found?.points.length) await checkScope(name, scope, caller);
      return (found?.points ?? [])
        .map(({ id, score, payload }) => ({
          ...(payload as unknown as Omit<PointHit, 'id' | 'score'>),
          id: String(id),
          score,
        }))
        .sort(byScore);
    },

    ...maintenance,
    remove: (...what) => changing(maintenance.remove(...what)),
    removePoints: (...what) => changing(maintenance.removePoints(...what)),

    async ping() {
      await qdrant({ method: 'GET', path: `${pathOf(settings.qdrantPrefix)}/exists` });
    },
    close: async () => {},
  };
}

/** Best first; what ties, as fused ranks often do, comes in the order of ids, since Qdrant gives it in any order. */
const byScore = (a: PointHit, b: PointHit) => b.score - a.score || (a.id < b.id ? -1 : 1);

const unknownCollection = (collection: string) =>
  new KnarrError('unknown_collection', `There is no collection ${collection}.`);
