import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AnswerScores } from '../../eval/answers.ts';
import { type EvalCollection, readCollection } from '../../eval/collection.ts';
import {
  type AnswerReport,
  loadDocuments,
  measureAbstention,
  measureAnswers,
  measureRetrieval,
} from '../../eval/measure.ts';
import { RANKING_MEASURES, type RankingScores } from '../../eval/ranking.ts';
import { startPipeline } from '../../run/pipeline.ts';
import { apiClient } from '../client.ts';
import { interruption } from '../interrupt.ts';
import type { Output } from '../output.ts';

export interface EvalOptions {
  /** Folder of a collection on other subjects, whose queries the documents do not answer. */
  foreign?: string;
}

const MODES = ['dense', 'lexical', 'hybrid'] as const;
const HALVES = ['all', 'even', 'odd'] as const;
const digits = (value: number | null) => value?.toFixed(4) ?? '–';

/** `knarr eval`: the collection through the whole pipeline, in a store of its own that is removed afterwards. */
export async function evaluate(output: Output, folder: string, { foreign }: EvalOptions): Promise<number> {
  const collection = await readCollection(folder);
  const others = foreign === undefined ? undefined : await readCollection(foreign);
  const dataDir = await mkdtemp(join(tmpdir(), 'knarr-eval-'));
  const progress = output.progress('Starting …');
  const pipeline = await startPipeline({
    ...process.env,
    KNARR_DATA_DIR: dataDir,
    PORT: '0',
    LOG_LEVEL: 'warn',
  });
  const cleanUp = async () => {
    progress.stop();
    await pipeline.close();
    await rm(dataDir, { recursive: true, force: true });
  };
  interruption(() => void cleanUp().finally(() => process.exit(130)));
  try {
    const client = apiClient(pipeline.url);
    progress.show(`Ingesting ${collection.documents.length} documents …`);
    const loaded = await loadDocuments(client, collection.documents);
    const retrieval: Record<string, RankingScores> = {};
    for (const mode of MODES) {
      progress.show(`Searching (${mode}) …`);
      retrieval[mode] = await measureRetrieval(client, collection, mode);
    }
    progress.show(`Asking ${collection.questions.length} questions …`);
    const answers = collection.questions.length === 0 ? undefined : await measureAnswers(client, collection);
    progress.show('Asking foreign questions …');
    const abstention = others && (await measureAbstention(client, [...others.queries.values()]));
    progress.stop();

    output.data({ folder, ...loaded, retrieval, answers, foreign: abstention });
    showRetrieval(output, folder, collection, retrieval);
    for (const { id, reason } of loaded.refused) output.text(`not in the store: ${id}: ${reason}`);
    if (answers) showAnswers(output, answers);
    if (abstention) {
      output.text(
        `\n${foreign}: ${abstention.questions} questions, said not to be answered: ${digits(abstention.abstained)}`,
      );
    }
    return 0;
  } finally {
    await cleanUp();
  }
}

function showRetrieval(
  output: Output,
  folder: string,
  { documents, qrels }: EvalCollection,
  retrieval: Record<string, RankingScores>,
): void {
  output.text(`${folder}: ${documents.length} documents, ${qrels.size} judged queries`);
  output.table(
    ['', ...RANKING_MEASURES],
    Object.entries(retrieval).map(([mode, scores]) => [
      mode,
      ...RANKING_MEASURES.map((measure) => digits(scores[measure])),
    ]),
  );
}

const LABELS: Record<Exclude<keyof AnswerScores, 'questions'>, string> = {
  passage_recall: 'gold passage among the sources',
  contains_gold: 'answer contains a gold answer',
  token_f1: 'token F1',
  exact_match: 'exact match',
  citation_to_passage: 'citations: to the gold passage',
  citation_to_answer: 'citations: contain a gold answer',
  abstained_wrongly: 'answerable, said not to be answered',
  abstained_rightly: 'unanswerable, said not to be answered',
  answered_wrongly: 'unanswerable, answered all the same',
};

function showAnswers(output: Output, answers: AnswerReport): void {
  output.text('');
  output.table(
    [`${answers.all.questions} questions`, 'all', 'even half', 'odd half'],
    Object.entries(LABELS).map(([key, label]) => [
      label,
      ...HALVES.map((half) => digits(answers[half][key as keyof typeof LABELS])),
    ]),
  );
}
