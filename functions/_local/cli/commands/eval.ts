import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scoreAnswers } from '../../eval/answers.ts';
import { readCollection } from '../../eval/collection.ts';
import { askQuestions, loadDocuments, measureRetrieval } from '../../eval/measure.ts';
import type { RankingScores } from '../../eval/ranking.ts';
import { startPipeline } from '../../run/pipeline.ts';
import { apiClient } from '../client.ts';
import { interruption } from '../interrupt.ts';
import type { Output } from '../output.ts';

const MODES = ['dense', 'lexical', 'hybrid'] as const;
const digits = (value: number) => value.toFixed(4);

/** `knarr eval`: the collection through the whole pipeline, in a store of its own that is removed afterwards. */
export async function evaluate(output: Output, folder: string): Promise<number> {
  const collection = await readCollection(folder);
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
    const answers =
      collection.questions.length > 0
        ? scoreAnswers(await askQuestions(client, collection.questions))
        : undefined;
    progress.stop();

    output.data({ folder, documents: loaded.documents, refused: loaded.refused, retrieval, answers });
    output.text(`${folder}: ${loaded.documents} documents, ${collection.qrels.size} judged queries`);
    for (const { id, reason } of loaded.refused) output.text(`  not in the store: ${id}: ${reason}`);
    output.table(
      ['', 'nDCG@10', 'recall@1', 'recall@5', 'recall@10', 'recall@100', 'MRR@10'],
      MODES.map((mode) => {
        const row = retrieval[mode] as RankingScores;
        return [
          mode,
          ...[row.ndcg10, row.recall1, row.recall5, row.recall10, row.recall100, row.mrr10].map(digits),
        ];
      }),
    );
    if (answers)
      output.table(
        ['answers', ''],
        Object.entries(answers).map(([name, value]) => [name, digits(value)]),
      );
    return 0;
  } finally {
    await cleanUp();
  }
}
