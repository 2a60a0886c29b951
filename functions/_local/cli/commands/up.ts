import { dirname, relative } from 'node:path';
import { asset } from '../../../_shared/assets.ts';
import { KnarrError } from '../../../_shared/errors.ts';
import { type Pipeline, startPipeline } from '../../run/pipeline.ts';
import { ApiError, apiClient, DEFAULT_URL } from '../client.ts';
import { interruption } from '../interrupt.ts';
import type { Output } from '../output.ts';
import { ingestSources } from '../send.ts';
import { type FilePattern, findFiles } from '../sources.ts';

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
  const pipeline = await startPipeline(env).catch((thrown: NodeJS.ErrnoException) => {
    throw (thrown.code && EXPLAINED[thrown.code]?.(thrown)) || withCause(thrown);
  });
  const ready = Math.round(performance.now() - started);
  const signal = interruption(() => {
    output.note('Stopping: what is under way is finished first. Ctrl-C again ends it at once.');
    void pipeline.close().then(
      () => process.exit(0),
      (error: Error) => {
        output.note(`It did not stop cleanly: ${error.message}`);
        process.exit(1);
      },
    );
  });

  output.data({ url: pipeline.url, data: pipeline.dataDir, pid: process.pid, ready_ms: ready });
  const data = relative('', pipeline.dataDir);
  output.text(`Knarr is ready at ${pipeline.url}  (${ready} ms; data in ${data || '.'})`);
  if (options.examples && (await pipeline.isUnused())) await ingestExamples(output, pipeline, signal);
  if (signal.aborted) return;
  const knarr = pipeline.url === DEFAULT_URL ? 'npx knarr' : `npx knarr --url ${pipeline.url}`;
  output.text('\nTry, in another terminal:');
  output.text(`  ${knarr} ask "How many earthquakes does Southern California have each year?"`);
  output.text(`  ${knarr} ingest <your files or folder>`);
  output.text(`\nIn a browser: ${pipeline.url}, and the API at ${pipeline.url}/docs.  Ctrl-C stops it.`);
}

const EXPLAINED: Record<string, (error: NodeJS.ErrnoException & { port?: number }) => Error> = {
  EADDRINUSE: ({ port }) =>
    new KnarrError('conflict', `Port ${port} is taken; choose another with --port or PORT.`),
  EACCES: ({ port, message }) =>
    new KnarrError('forbidden', port === undefined ? message : `Port ${port} needs rights that you lack.`),
};

/** Sample documents and Knarr's own documentation. */
async function ingestExamples(output: Output, { url }: Pipeline, signal: AbortSignal): Promise<void> {
  const folder = dirname(asset('examples'));
  const patterns = [
    'examples/*.{md,html,pdf}',
    '!examples/README.md',
    '{README,ARCHITECTURE}.md',
    'docs/*.md',
  ];
  const pattern: FilePattern = { folder, patterns, ignoreCase: false, root: folder };
  const sources = await findFiles(pattern);
  const client = apiClient(url, process.env.KNARR_TOKEN);
  try {
    await client.json('GET', '/v1/collections');
  } catch (thrown) {
    if (signal.aborted) return;
    if (!(thrown instanceof ApiError)) throw thrown;
    // With authentication, whose documents they would be is for somebody else to say.
    return output.note(`No sample documents: ${thrown.message}`);
  }
  const progress = output.progress(`Ingesting ${sources.length} sample documents …`);
  const options = { collection: 'default', concurrency: 4, signal };
  const summary = await ingestSources(client, sources, options, ({ id }, done) =>
    progress.show(`Ingesting ${sources.length} sample documents … ${done} done: ${id}`),
  );
  progress.stop();
  if (signal.aborted) return;
  output.data({ examples: summary.indexed, chunks: summary.chunks, failed: summary.failed.length });
  output.text(
    `${summary.indexed} sample documents are searchable (${summary.chunks} chunks, ${summary.seconds.toFixed(1)} s).`,
  );
  for (const failure of summary.failed) output.note(`failed: ${failure.id}: ${failure.error}`);
}

/** Whoever starts it has to know what failed; callers of the API do not. */
function withCause(error: Error): Error {
  const { cause } = error;
  if (!(error instanceof KnarrError) || !(cause instanceof Error)) return error;
  return new KnarrError(error.code, `${error.message} (${cause.message})`, { cause });
}
