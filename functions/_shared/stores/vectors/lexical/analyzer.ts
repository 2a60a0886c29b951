import type { Queryable } from '../../sql/database.ts';
import { lexicalText } from './text.ts';

/** How often each term comes in a text. */
export type Terms = Map<string, number>;
/** Texts as terms, in their order. */
export type Analyzer = (texts: readonly string[]) => Promise<Terms[]>;

/** The text search configuration that every store's lexical side uses. */
export const TEXT_CONFIG = 'english';

/**
 * The analyzer of every vector store: words as {@link lexicalText} parts them, then PostgreSQL's stop words and Snowball
 * stemmer. The embedded store has these inside its BM25 index; a store elsewhere asks the documents' database for them,
 * which any PostgreSQL can answer, so that the same words match everywhere.
 */
export function postgresAnalyzer(database: Queryable): Analyzer {
  return async (texts) => {
    if (texts.length === 0) return [];
    const { rows } = await database.query<{ terms: string[]; counts: number[] }>(
      `select array(select lexeme from unnest(v)) as terms,
              array(select coalesce(array_length(positions, 1), 1) from unnest(v)) as counts
       from (select place, to_tsvector('${TEXT_CONFIG}', text) as v
             from unnest($1::text[]) with ordinality as given (text, place)) as analyzed
       order by place`,
      [texts.map(lexicalText)],
    );
    return rows.map(({ terms, counts }) => new Map(terms.map((term, n) => [term, counts[n] as number])));
  };
}
