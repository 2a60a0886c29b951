import { setTimeout as sleep } from 'node:timers/promises';
import PQueue from 'p-queue';
import type { GenerateOutput, Passage, SearchMode } from '../../_shared/contracts.ts';
import { type ApiClient, ApiError } from '../cli/client.ts';
import type { EvalCollection, EvalDocument, EvalQuestion } from './collection.ts';
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

export interface AskedQuestion {
  question: EvalQuestion;
  result: Pick<GenerateOutput, 'answered' | 'citations'> & { answer: string; sources: Passage[] };
}

/** Asks every question on five passages. */
export async function askQuestions(
  client: ApiClient,
  questions: readonly EvalQuestion[],
): Promise<AskedQuestion[]> {
  const asked: AskedQuestion[] = [];
  for (const question of questions) {
    const body = { question: question.text, collection: COLLECTION, limit: 5 };
    asked.push({ question, result: await client.json<AskedQuestion['result']>('POST', '/v1/rag', body) });
  }
  return asked;
}
