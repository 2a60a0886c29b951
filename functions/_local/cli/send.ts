import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import PQueue from 'p-queue';
import { KnarrError } from '../../_shared/errors.ts';
import { type DocumentState, ENDED } from '../../_shared/stores/documents/records.ts';
import { type ApiClient, ApiError } from './client.ts';
import { readSource, type Source } from './sources.ts';

interface Status {
  id: string;
  version: number;
  state: DocumentState;
  chunks: number;
  error: { code: string; message: string } | null;
}
export interface IngestResult {
  id: string;
  /** As the server has it, or `refused`. */
  state: string;
  chunks: number;
  error?: string;
}
export interface IngestSummary {
  /** That have ended. */
  documents: number;
  indexed: number;
  failed: IngestResult[];
  chunks: number;
  seconds: number;
  /** That were not sent or had not ended when it stopped. */
  unfinished: number;
  /** Why it stopped early. */
  stopped?: Error;
}

export interface SendOptions {
  collection: string;
  concurrency: number;
  signal?: AbortSignal;
}

const ATTEMPTS = 8;

/** Sends sources and waits until each has ended: searchable, or failed with its reason. */
export async function ingestSources(
  client: ApiClient,
  sources: readonly Source[],
  { collection, concurrency, signal }: SendOptions,
  onResult: (result: IngestResult, done: number) => void = () => {},
): Promise<IngestSummary> {
  const started = performance.now();
  const results: IngestResult[] = [];
  const halt = new AbortController();
  const either = signal ? AbortSignal.any([signal, halt.signal]) : halt.signal;
  // Each document under way waits on it.
  setMaxListeners(0, either);
  const queue = new PQueue({ concurrency });
  await queue.addAll(
    sources.map((source) => async () => {
      if (either.aborted) return;
      try {
        const result = await ingestOne(client, source, collection, either);
        results.push(result);
        onResult(result, results.length);
      } catch (thrown) {
        halt.abort(thrown);
      }
    }),
  );
  const stopped = signal?.aborted ? undefined : (halt.signal.reason as Error | undefined);
  return {
    documents: results.length,
    indexed: results.filter((result) => result.state === 'indexed').length,
    failed: results.filter((result) => result.error !== undefined),
    chunks: results.reduce((sum, result) => sum + result.chunks, 0),
    seconds: (performance.now() - started) / 1000,
    unfinished: sources.length - results.length,
    ...(stopped && { stopped }),
  };
}

async function ingestOne(
  client: ApiClient,
  source: Source,
  collection: string,
  signal: AbortSignal,
): Promise<IngestResult> {
  const path = `/v1/documents/${encodeURIComponent(source.id)}`;
  try {
    await patiently(signal, await sender(client, path, source, collection));
    for (let pause = 20; ; pause = Math.min(pause * 1.5, 500)) {
      const { state, chunks, error } = await patiently(signal, () => client.json<Status>('GET', path));
      if (ENDED.includes(state)) {
        return { id: source.id, state, chunks, ...(error && { error: `${error.code}: ${error.message}` }) };
      }
      await sleep(pause, undefined, { signal });
    }
  } catch (thrown) {
    // Of this document alone: the server refuses it, or its file cannot be read.
    const isItsOwn = thrown instanceof ApiError || (thrown as NodeJS.ErrnoException).syscall !== undefined;
    if (!isItsOwn) throw thrown;
    return { id: source.id, state: 'refused', chunks: 0, error: (thrown as Error).message };
  }
}

/** Reads a source; the function returned sends it, as often as it takes. */
async function sender(client: ApiClient, path: string, source: Source, collection: string) {
  if (source.kind === 'url') return () => client.json('PUT', path, { uri: source.url, collection });
  const query = new URLSearchParams({ collection });
  if (source.kind === 'file') query.set('metadata', JSON.stringify({ path: source.path }));
  const headers = { 'content-type': source.kind === 'file' ? source.mediaType : 'text/plain' };
  const content = await readSource(source);
  return () => client.raw('PUT', `${path}?${query}`, content, headers);
}

/** Again while the server is busy or away, as late as it asks; then throws what it said last. */
async function patiently<T>(signal: AbortSignal, request: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await request();
    } catch (thrown) {
      const isBusy = thrown instanceof ApiError && [429, 502, 503, 504].includes(thrown.problem.status);
      const isAway = thrown instanceof KnarrError && thrown.code === 'unavailable';
      if (!(isBusy || isAway) || attempt === ATTEMPTS) throw thrown;
      const asked = thrown instanceof ApiError ? (thrown.retryAfter ?? 0) * 1000 : 0;
      await sleep(Math.max(asked, 100 * 2 ** attempt), undefined, { signal });
    }
  }
}
