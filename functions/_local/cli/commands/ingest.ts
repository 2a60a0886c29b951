import { watch } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import ora from 'ora';
import PQueue from 'p-queue';
import { type ApiClient, ApiError } from '../client.ts';
import { bar, type Output } from '../output.ts';
import { ENDINGS, expandSources, fileSource, readSource, type Source } from '../sources.ts';

export interface IngestOptions {
  collection: string;
  id?: string;
  watch?: boolean;
  concurrency: number;
}

interface Accepted {
  id: string;
  version: number;
  state: string;
}
interface Status extends Accepted {
  chunks: number;
  error: { code: string; message: string } | null;
}
export interface IngestResult {
  id: string;
  state: string;
  chunks: number;
  error?: string;
}
export interface IngestSummary {
  documents: number;
  indexed: number;
  failed: IngestResult[];
  chunks: number;
  seconds: number;
}

const ENDED = new Set(['indexed', 'superseded', 'deleted', 'dead_lettered']);

/** Sends sources and waits until each has ended: searchable, or failed with its reason. */
export async function ingestSources(
  client: ApiClient,
  sources: readonly Source[],
  options: Pick<IngestOptions, 'collection' | 'concurrency'>,
  onResult: (result: IngestResult, done: number) => void = () => {},
): Promise<IngestSummary> {
  const started = performance.now();
  const results: IngestResult[] = [];
  const queue = new PQueue({ concurrency: options.concurrency });
  await queue.addAll(
    sources.map((source) => async () => {
      const result = await ingestOne(client, source, options.collection);
      results.push(result);
      onResult(result, results.length);
    }),
  );
  return {
    documents: results.length,
    indexed: results.filter((result) => result.state === 'indexed').length,
    failed: results.filter((result) => result.error !== undefined),
    chunks: results.reduce((sum, result) => sum + result.chunks, 0),
    seconds: (performance.now() - started) / 1000,
  };
}

async function ingestOne(client: ApiClient, source: Source, collection: string): Promise<IngestResult> {
  const path = `/v1/documents/${encodeURIComponent(source.id)}`;
  try {
    const accepted = await send(client, path, source, collection);
    let status: Status = { ...accepted, chunks: 0, error: null };
    for (let pause = 20; ; pause = Math.min(pause * 1.5, 500)) {
      status = await client.json<Status>('GET', path);
      if (ENDED.has(status.state)) break;
      await sleep(pause);
    }
    const error = status.error ? `${status.error.code}: ${status.error.message}` : undefined;
    return { id: source.id, state: status.state, chunks: status.chunks, ...(error ? { error } : {}) };
  } catch (thrown) {
    if (!(thrown instanceof ApiError) && source.kind !== 'file') throw thrown;
    return { id: source.id, state: 'refused', chunks: 0, error: (thrown as Error).message };
  }
}

/** Sends one source; while the server is busy it waits as long as the server asks. */
async function send(client: ApiClient, path: string, source: Source, collection: string): Promise<Accepted> {
  for (let attempt = 1; ; attempt++) {
    try {
      if (source.kind === 'url') return await client.json('PUT', path, { uri: source.url, collection });
      const query = new URLSearchParams({ collection });
      if (source.kind === 'file') query.set('metadata', JSON.stringify({ path: source.path }));
      const mediaType = (source.kind === 'file' && source.mediaType) || 'text/plain';
      const headers = { 'content-type': mediaType };
      return await client.raw('PUT', `${path}?${query}`, await readSource(source), headers);
    } catch (thrown) {
      const busy = thrown instanceof ApiError && [429, 503].includes(thrown.problem.status);
      if (!busy || attempt === 8) throw thrown;
      await sleep(250 * 2 ** attempt);
    }
  }
}

/** `knarr ingest`. Returns the exit code: 1 when a document failed. */
export async function ingest(
  client: ApiClient,
  output: Output,
  inputs: string[],
  options: IngestOptions,
): Promise<number> {
  const sources = await expandSources(inputs, options.id);
  const spinner = ora({
    isEnabled: process.stderr.isTTY === true && !output.json,
    text: 'Sending …',
  }).start();
  const started = performance.now();
  const summary = await ingestSources(client, sources, options, (result, done) => {
    const rate = done / ((performance.now() - started) / 1000);
    spinner.text = `${bar(done / sources.length)} ${done}/${sources.length}  ${rate.toFixed(1)} documents/s  ${result.id}`;
    output.data(result);
  });
  spinner.stop();
  report(output, summary);
  if (options.watch) await watchFolders(client, output, inputs, options);
  return summary.failed.length > 0 ? 1 : 0;
}

function report(output: Output, summary: IngestSummary): void {
  const rate = (count: number) => (count / Math.max(summary.seconds, 1e-3)).toFixed(1);
  output.text(
    `${summary.indexed} of ${summary.documents} documents searchable, ${summary.chunks} chunks, in ${summary.seconds.toFixed(1)} s ` +
      `(${rate(summary.documents)} documents/s, ${rate(summary.chunks)} chunks/s)`,
  );
  for (const failure of summary.failed) output.note(`failed: ${failure.id}: ${failure.error}`);
}

/** Follows folders until the process is stopped: changed files are sent again, vanished ones deleted. */
async function watchFolders(client: ApiClient, output: Output, inputs: string[], options: IngestOptions) {
  const pending = new Map<string, NodeJS.Timeout>();
  for (const input of inputs) {
    const folder = resolve(input);
    if (!(await stat(folder).catch(() => undefined))?.isDirectory()) continue;
    output.note(`watching ${folder}`);
    watch(folder, { recursive: true }, (_, name) => {
      if (!name || !ENDINGS.some((ending) => name.toLowerCase().endsWith(ending))) return;
      clearTimeout(pending.get(name));
      // Editors write a file in several steps: wait until it has been quiet for a moment.
      pending.set(
        name,
        setTimeout(() => void syncFile(client, output, folder, name, options.collection), 300),
      );
    });
  }
  await new Promise(() => {});
}

async function syncFile(client: ApiClient, output: Output, folder: string, name: string, collection: string) {
  const source = fileSource(join(folder, name), folder);
  const exists = await access(join(folder, name)).then(
    () => true,
    () => false,
  );
  if (exists) {
    const { state, error } = await ingestOne(client, source, collection);
    output.note(`${state}: ${source.id}${error ? `: ${error}` : ''}`);
    return;
  }
  await client.json('DELETE', `/v1/documents/${encodeURIComponent(source.id)}`).then(
    () => output.note(`deleted: ${source.id}`),
    (error: Error) => output.note(`not deleted: ${source.id}: ${error.message}`),
  );
}
