import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KnarrError } from '../../_shared/errors.ts';
import type { Judgements } from './ranking.ts';

export interface EvalDocument {
  id: string;
  title: string;
  text: string;
}
export interface EvalQuestion {
  id: string;
  text: string;
  /** Id of the document that answers it. */
  passage: string;
  answers: string[];
  answerable: boolean;
}

/** A collection in BEIR layout; `questions` when it is a question-answering set. */
export interface EvalCollection {
  documents: EvalDocument[];
  queries: Map<string, string>;
  qrels: Map<string, Judgements>;
  questions: EvalQuestion[];
}

async function readJsonLines<T>(path: string): Promise<T[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line.trim() !== '');
  return lines.map((line, index) => {
    try {
      return JSON.parse(line) as T;
    } catch (cause) {
      throw new KnarrError('invalid_request', `${path}:${index + 1} is not JSON.`, { cause });
    }
  });
}

/**
 * Reads `corpus.jsonl` (`_id`, `title`, `text`) with `queries.jsonl` (`_id`, `text`) and `qrels.tsv`
 * (query, document, grade), or with `questions.jsonl` (`_id`, `text`, `passage`, `answers`, `answerable`).
 */
export async function readCollection(folder: string): Promise<EvalCollection> {
  const path = (name: string) => join(folder, name);
  if (!existsSync(path('corpus.jsonl'))) {
    throw new KnarrError('invalid_request', `${folder} has no corpus.jsonl.`);
  }
  const corpus = await readJsonLines<{ _id: string; title?: string; text: string }>(path('corpus.jsonl'));
  const documents = corpus.map(({ _id, title, text }) => ({ id: _id, title: title ?? '', text }));
  if (existsSync(path('questions.jsonl'))) {
    const rows = await readJsonLines<{ _id: string } & Omit<EvalQuestion, 'id'>>(path('questions.jsonl'));
    const questions = rows.map(({ _id, ...question }) => ({ id: _id, ...question }));
    const answerable = questions.filter((question) => question.answerable);
    return {
      documents,
      queries: new Map(answerable.map(({ id, text }) => [id, text])),
      qrels: new Map(answerable.map(({ id, passage }) => [id, new Map([[passage, 1]])])),
      questions,
    };
  }
  const queries = await readJsonLines<{ _id: string; text: string }>(path('queries.jsonl'));
  return {
    documents,
    queries: new Map(queries.map(({ _id, text }) => [_id, text])),
    qrels: await readQrels(path('qrels.tsv')),
    questions: [],
  };
}

async function readQrels(path: string): Promise<Map<string, Map<string, number>>> {
  const qrels = new Map<string, Map<string, number>>();
  for (const line of (await readFile(path, 'utf8')).split('\n')) {
    const [query, document, grade] = line.trim().split('\t');
    // The heading row has no number in its third column.
    if (!query || !document || !/^-?\d+$/.test(grade ?? '')) continue;
    const judgements = qrels.get(query) ?? new Map<string, number>();
    judgements.set(document, Number(grade));
    qrels.set(query, judgements);
  }
  return qrels;
}
