import { setTimeout as sleep } from 'node:timers/promises';
import PQueue from 'p-queue';
import type { GenerateOutput, Passage, SearchMode } from '../../_shared/contracts.ts';
import { type ApiClient, ApiError } from '../cli/client.ts';
import { type AnsweredQuestion, type AnswerScores, scoreAnswers } from './answers.ts';
import type { EvalCollection, EvalDocument } from './collection.ts';
import { type RankingScores, scoreRankings } from './ranking.ts';

const COLLECTION = 'eval';
/** Chunks asked for, so that 100 different documents are among them. */
const CHUNKS = 300;

export interface LoadResult {
  documents: number;
  refused: { id: string; reason: string }[];
}

/** Puts every document through the pipeline and waits until all have ended. */
export async function loadDocuments(
  client: ApiClient,
  documents: readonly EvalDocument[],
): Promise<LoadResult> {
  const refused: LoadResult['refused'] = [];
  const queue = new PQueue({ concurrency: 8 });
  await queue.addAll(
    documents.map(({ id, title, text }) => async () => {
      const body = { text, collection: COLLECTION, content_type: 'text/plain', ...(title ? { title } : {}) };
      try {
        await client.json('PUT', `/v1/documents/${encodeURIComponent(id)}`, body);
      } catch (thrown) {
        if (!(thrown instanceof ApiError) || thrown.problem.status >= 500) throw thrown;
        refused.push({ id, reason: thrown.message });
      }
    }),
  );
  for (const state of ['accepted', 'chunked', 'embedded']) {
    while ((await listed(client, state)).length > 0) await sleep(100);
  }
  for (const { id, error } of await listed(client, 'dead_lettered')) {
    refused.push({ id, reason: error?.message ?? 'dead-lettered' });
  }
  return { documents: documents.length - refused.length, refused };
}

async function listed(client: ApiClient, state: string) {
  const query = new URLSearchParams({ collection: COLLECTION, state, limit: '100' });
  const page = await client.json<{ documents: { id: string; error: { message: string } | null }[] }>(
    'GET',
    `/v1/documents?${query}`,
  );
  return page.documents;
}

/** Ranks every judged query in one mode; a document stands where its best chunk does. */
export async function measureRetrieval(
  client: ApiClient,
  collection: EvalCollection,
  mode: SearchMode,
): Promise<RankingScores> {
  const rankings = new Map<string, string[]>();
  for (const id of collection.qrels.keys()) {
    const query = collection.queries.get(id);
    if (query === undefined) continue;
    const body = { query, collection: COLLECTION, mode, limit: CHUNKS };
    const { passages } = await client.json<{ passages: Passage[] }>('POST', '/v1/search', body);
    rankings.set(id, [...new Set(passages.map((passage) => passage.document))]);
  }
  return scoreRankings(rankings, collection.qrels);
}

type Asked = Pick<GenerateOutput, 'answered' | 'citations'> & { answer: string; sources: Passage[] };

/** Asks on five passages, as the API does by default. */
const ask = (client: ApiClient, question: string) =>
  client.json<Asked>('POST', '/v1/rag', { question, collection: COLLECTION, limit: 5 });

/**
 * Scores of all questions, and of each half: those on documents at even and at odd places of the corpus, from 0. What
 * was tuned on one half is measured by the other.
 */
export type AnswerReport = Record<'all' | 'even' | 'odd', AnswerScores>;

/** Asks every question of a question-answering set. */
export async function measureAnswers(
  client: ApiClient,
  { documents, questions }: EvalCollection,
): Promise<AnswerReport> {
  const places = new Map(documents.map(({ id }, place) => [id, place]));
  const asked: AnsweredQuestion[] = [];
  for (const question of questions) asked.push({ question, result: await ask(client, question.text) });
  const half = (rest: 0 | 1) =>
    scoreAnswers(asked.filter(({ question }) => (places.get(question.passage) ?? 0) % 2 === rest));
  return { all: scoreAnswers(asked), even: half(0), odd: half(1) };
}

/** How many of the questions, none of which the documents answer, are said not to be answered; a share in [0, 1]. */
export async function measureAbstention(
  client: ApiClient,
  questions: readonly string[],
): Promise<{ questions: number; abstained: number }> {
  let abstained = 0;
  for (const question of questions) if (!(await ask(client, question)).answered) abstained++;
  return { questions: questions.length, abstained: abstained / questions.length };
}
