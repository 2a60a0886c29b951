import type { Schemas } from '@qdrant/js-client-rest';
import type { VectorScope, VectorStore } from '../port.ts';
import { absent, checkWritten, pathOf, type Qdrant, type QdrantRequest } from './client.ts';
import type { Collections } from './collections.ts';
import type { Count } from './count.ts';
import { SCOPE, type Scope, STORED, toStored, within } from './points.ts';
import { DENSE } from './schema.ts';

/** Points of one page. */
const PAGE = 512;

type Queries = Record<'written' | 'read', NonNullable<QdrantRequest['query']>>;
type Page = Schemas['ScrollResult'];

/** Counts, reads and removes points by what they are. A generation without a collection has none. */
export function qdrantMaintenance(
  qdrant: Qdrant,
  collections: Collections,
  count: Count,
  { written, read }: Queries,
): Pick<VectorStore, 'remove' | 'count' | 'vectorsOf' | 'scopes' | 'scan' | 'present' | 'removePoints'> {
  const post = <T>(name: string, call: string, query: QdrantRequest['query'], body: object, time = {}) =>
    qdrant<T>(
      { method: 'POST', path: `${pathOf(name)}/points/${call}`, ...(query && { query }), body },
      time,
    );

  async function removeAll(name: string, must: Schemas['Condition'][], time = {}): Promise<void> {
    checkWritten(await post<Schemas['UpdateResult']>(name, 'delete', written, { filter: { must } }, time));
  }

  /** Every point that the request finds, page by page. */
  async function* pages(name: string, body: object): AsyncGenerator<Schemas['Record'][]> {
    let offset: Page['next_page_offset'];
    do {
      const page = await post<Page>(name, 'scroll', read, {
        limit: PAGE,
        ...body,
        ...(offset && { offset }),
      });
      yield page.points;
      offset = page.next_page_offset;
    } while (offset);
  }

  return {
    async remove(tenant, document, below, time) {
      const must: Schemas['Condition'][] = [
        { key: 'tenant', match: { value: tenant } },
        { key: 'document', match: { value: document } },
        ...(below === undefined ? [] : [{ key: 'version', range: { lt: below } }]),
      ];
      let removed = 0;
      for (const name of await collections.all(time)) {
        removed += (await count(name, must, { time }).catch(absent)) ?? 0;
        // Also when none was counted: the replica that counted may be behind.
        await removeAll(name, must, time).catch(absent);
      }
      return removed;
    },

    async count(scope) {
      return (await count(collections.nameOf(scope.generation), within(scope)).catch(absent)) ?? 0;
    },

    async vectorsOf(scope, document, hashes) {
      const vectors = new Map<string, Float32Array>();
      if (hashes.length === 0) return vectors;
      const must = [
        ...within(scope),
        { key: 'document', match: { value: document } },
        { key: 'hash', match: { any: [...hashes] } },
      ];
      const body = { filter: { must }, with_payload: ['hash'], with_vector: [DENSE] };
      try {
        for await (const points of pages(collections.nameOf(scope.generation), body)) {
          for (const { payload, vector } of points) {
            const dense = (vector as Record<string, number[]>)[DENSE];
            if (dense) vectors.set(String(payload?.hash), Float32Array.from(dense));
          }
        }
      } catch (thrown) {
        absent(thrown);
      }
      return vectors;
    },

    async scopes() {
      const scopes: VectorScope[] = [];
      for (const name of await collections.all()) {
        const body = {
          filter: { must: [{ key: 'kind', match: { value: SCOPE } }] },
          with_payload: ['scope'],
        };
        for await (const points of pages(name, body)) {
          scopes.push(...points.map(({ payload }) => payload?.scope as VectorScope));
        }
      }
      return scopes;
    },

    async scan(scope, { after, limit }) {
      const body = {
        filter: { must: within(scope) },
        // The offset is the first point that is given.
        limit: limit + 1,
        ...(after !== undefined && { offset: after }),
        with_payload: STORED,
      };
      const page = await post<Page>(collections.nameOf(scope.generation), 'scroll', read, body).catch(absent);
      return (page?.points ?? [])
        .map(toStored)
        .filter(({ id }) => id !== after)
        .slice(0, limit);
    },

    async present(scope, ids) {
      if (ids.length === 0) return new Set();
      const must = [...within(scope), { has_id: [...ids] }];
      const body = { filter: { must }, limit: ids.length, with_payload: false };
      const page = await post<Page>(collections.nameOf(scope.generation), 'scroll', read, body).catch(absent);
      return new Set((page?.points ?? []).map(({ id }) => String(id)));
    },

    async removePoints(scope: Scope, ids) {
      if (ids.length === 0) return;
      const must = [...within(scope), { has_id: [...ids] }];
      await removeAll(collections.nameOf(scope.generation), must).catch(absent);
    },
  };
}
