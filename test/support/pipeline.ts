import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Pipeline, startPipeline } from '../../functions/_local/run/pipeline.ts';
import { type Api, apiOf } from './api.ts';

export interface TestPipeline extends Pipeline, Api {}

/** The whole pipeline on a free port, over a data folder of its own unless one is given. */
export async function testPipeline(env: Record<string, string> = {}): Promise<TestPipeline> {
  const folder = env.KNARR_DATA_DIR ?? (await mkdtemp(join(tmpdir(), 'knarr-pipeline-')));
  const pipeline = await startPipeline({ PORT: '0', LOG_LEVEL: 'error', ...env, KNARR_DATA_DIR: folder });
  return {
    ...pipeline,
    ...apiOf(pipeline.url),
    async close() {
      await pipeline.close();
      if (env.KNARR_DATA_DIR === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}
