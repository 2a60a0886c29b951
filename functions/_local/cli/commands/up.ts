import { existsSync } from 'node:fs';
import { asset } from '../../../_shared/assets.ts';
import { startPipeline } from '../../run/pipeline.ts';
import { apiClient } from '../client.ts';
import type { Output } from '../output.ts';
import { expandSources } from '../sources.ts';
import { ingestSources } from './ingest.ts';

export interface UpOptions {
  port?: number;
  data?: string;
  examples: boolean;
}

/** `knarr up`: runs until SIGINT or SIGTERM, which let requests in flight finish. */
export async function up(output: Output, options: UpOptions): Promise<void> {
  const env = { ...process.env };
  if (options.port !== undefined) env.PORT = String(options.port);
  if (options.data !== undefined) env.KNARR_DATA_DIR = options.data;
  const started = performance.now();
  const pipeline = await startPipeline(env);
  const ready = Math.round(performance.now() - started);

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void pipeline.close().then(() => process.exit(0)));
  }
  output.data({ url: pipeline.url, data: pipeline.dataDir, pid: process.pid, ready_ms: ready });
  output.text(`Knarr is ready at ${pipeline.url} (${ready} ms, data in ${pipeline.dataDir})`);
  if (options.examples && (await pipeline.isEmpty())) await ingestExamples(output, pipeline.url);
  output.text('');
  output.text('Ask it something, or give it your own documents:');
  output.text('  npx knarr ask "Who was the leader of the Normans?"');
  output.text('  npx knarr ingest <folder>');
  output.text(`API and try-out page: ${pipeline.url}/docs   (Ctrl-C stops it)`);
}

async function ingestExamples(output: Output, url: string): Promise<void> {
  const folders = ['examples', 'docs', 'README.md', 'ARCHITECTURE.md'].filter((name) => {
    try {
      return existsSync(asset(name));
    } catch {
      return false;
    }
  });
  const sources = await expandSources(folders.map(asset));
  const summary = await ingestSources(apiClient(url), sources, { collection: 'default', concurrency: 4 });
  output.text(
    `${summary.indexed} sample documents are searchable (${summary.chunks} chunks, ${summary.seconds.toFixed(1)} s).`,
  );
  for (const failure of summary.failed) output.note(`failed: ${failure.id}: ${failure.error}`);
}
