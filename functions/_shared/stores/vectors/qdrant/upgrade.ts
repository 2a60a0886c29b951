import type { Schemas } from '@qdrant/js-client-rest';
import { checkWritten, pathOf, type Qdrant, type QdrantRequest } from './client.ts';
import { SCOPE } from './points.ts';
import { LEXICAL, TERMS_INDEX } from './schema.ts';

/** Points of one step. */
const PAGE = 256;

/**
 * Brings a collection of an older release up: its points say no `terms`, and its server weighs words by everybody's points.
 * The terms are read off the points' sparse vectors; then the weighing goes over to the question. May be cut off and begun
 * again at any time, also by several at once.
 */
export async function addTerms(
  qdrant: Qdrant,
  alias: string,
  written: NonNullable<QdrantRequest['query']>,
): Promise<void> {
  const path = pathOf(alias);
  const [field_name, field_schema] = TERMS_INDEX;
  const index = { method: 'PUT', path: `${path}/index`, query: { wait: true } } as const;
  await qdrant({ ...index, body: { field_name, field_schema } });

  const without = { is_empty: { key: field_name } };
  const filter = { must: [without], must_not: [{ key: 'kind', match: { value: SCOPE } }] };
  let offset: Schemas['ScrollResult']['next_page_offset'];
  do {
    const body = {
      filter,
      limit: PAGE,
      with_payload: false,
      with_vector: [LEXICAL],
      ...(offset && { offset }),
    };
    const scroll = { method: 'POST', path: `${path}/points/scroll`, body } as const;
    const page = await qdrant<Schemas['ScrollResult']>(scroll);
    // By condition and not by id: a point that has gone meanwhile is no error, and one that was written anew stays.
    const operations = page.points.map(({ id, vector }) => ({
      set_payload: { payload: { terms: termsOf(vector) }, filter: { must: [{ has_id: [id] }, without] } },
    }));
    if (operations.length > 0) {
      const batch = { method: 'POST', path: `${path}/points/batch`, query: written } as const;
      const results = await qdrant<Schemas['UpdateResult'][]>({ ...batch, body: { operations } });
      for (const result of results) checkWritten(result);
    }
    offset = page.next_page_offset;
  } while (offset);

  const body = { sparse_vectors: { [LEXICAL]: { modifier: 'none' } } } satisfies Schemas['UpdateCollection'];
  await qdrant({ method: 'PATCH', path, body });
}

const termsOf = (vector: Schemas['Record']['vector']): number[] =>
  (vector as Record<string, Schemas['SparseVector']> | undefined)?.[LEXICAL]?.indices ?? [];
