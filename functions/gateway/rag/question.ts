import { z } from 'zod';
import { Citation, Passage, SearchMode, SearchOptions } from '../../_shared/contracts.ts';

export const MIN_BUDGET_MS = 10;
export const MAX_BUDGET_MS = 300_000;

const Text = z.string().max(8192).regex(/\S/, 'must not be blank');

/** What a search may say. */
export const SearchRequest = z
  .strictObject({
    query: Text.meta({
      description: 'What to look for, in natural language.',
      examples: ['cargo ships of the Norse'],
    }),
    ...SearchOptions.shape,
    limit: z.int().min(1).max(500).default(10).meta({ description: 'Passages wanted.' }),
    neighbours: z
      .int()
      .min(0)
      .max(5)
      .default(0)
      .meta({ description: 'Chunks to add before and after each hit.' }),
    budget_ms: z.int().min(MIN_BUDGET_MS).max(MAX_BUDGET_MS).optional().meta({
      description: 'Milliseconds this may take. Steps that do not fit are skipped and named in `degraded`.',
    }),
  })
  .meta({ id: 'SearchRequest' });
export type SearchRequest = z.infer<typeof SearchRequest>;

const { query: _, ...searchOptions } = SearchRequest.shape;

/** A question: what a search may say, with the question in place of the query, and how the answer is wanted. */
export const Question = z
  .strictObject({
    question: Text.meta({ description: 'The question to answer.', examples: ['What is a knarr?'] }),
    ...searchOptions,
    limit: z.int().min(1).max(100).default(5).meta({ description: 'Passages to answer from.' }),
    stream: z.boolean().default(false).meta({ description: 'Answer as server-sent events.' }),
  })
  .meta({ id: 'Question' });
export type Question = z.infer<typeof Question>;

export const Timings = z
  .record(z.string(), z.number())
  .meta({ description: 'Milliseconds that each step took, and `total`.' });
export type Timings = z.infer<typeof Timings>;
export const Degraded = z
  .array(z.string())
  .meta({ description: 'Every step that was skipped or cut; empty when nothing was.' });

export const SearchAnswer = z
  .object({
    passages: z.array(Passage),
    /** How it was searched: `lexical` when a hybrid search had to do without the vector. */
    mode: SearchMode,
    timings: Timings,
    degraded: Degraded,
  })
  .meta({ id: 'SearchAnswer' });
export type SearchAnswer = z.infer<typeof SearchAnswer>;

export const Answer = z
  .object({
    answer: z.string().nullable().meta({ description: 'Null when no answer was made in time.' }),
    answered: z.boolean().meta({ description: 'False when the sources do not answer the question.' }),
    citations: z.array(Citation),
    sources: z.array(Passage),
    model: z.string().nullable().meta({ description: 'What made the answer.' }),
    timings: Timings,
    degraded: Degraded,
  })
  .meta({ id: 'Answer' });
export type Answer = z.infer<typeof Answer>;
