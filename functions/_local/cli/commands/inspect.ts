import type { ApiClient } from '../client.ts';
import type { Output } from '../output.ts';

interface DocumentSummary {
  id: string;
  version: number;
  state: string;
  collection: string;
  title: string | null;
  chunks: number;
  updated_at: string;
  error: { code: string; message: string } | null;
}
interface DeadLetterSummary {
  id: string;
  code: string;
  message: string;
  destination: string;
  received_at: string;
  event: { type: string; subject?: string };
}

/** `knarr status`: is it up, what does it hold. */
export async function status(client: ApiClient, output: Output): Promise<number> {
  const info = await client.json<{ name: string; version: string }>('GET', '/info');
  const { collections } = await client.json<{
    collections: { collection: string; documents: number; generation: string }[];
  }>('GET', '/v1/collections');
  const letters = await client.json<{ dead_letters: unknown[] }>('GET', '/v1/dead-letters?limit=100');
  output.data({ url: client.url, ...info, collections, dead_letters: letters.dead_letters.length });
  output.text(`Knarr ${info.version} at ${client.url}`);
  output.table(
    ['collection', 'documents', 'index generation'],
    collections.map((row) => [row.collection, row.documents, row.generation]),
  );
  const count = letters.dead_letters.length;
  output.text(`dead letters: ${count === 100 ? '100 or more' : count}`);
  return 0;
}

/** `knarr documents`: a page of documents, or all of them. */
export async function documents(
  client: ApiClient,
  output: Output,
  options: { collection?: string; state?: string; limit: number; delete?: string[] },
): Promise<number> {
  for (const id of options.delete ?? []) {
    const removed = await client.json('DELETE', `/v1/documents/${encodeURIComponent(id)}`);
    output.data(removed);
    output.text(`deleted: ${id}`);
  }
  if (options.delete) return 0;
  const query = new URLSearchParams({ limit: String(options.limit) });
  if (options.collection) query.set('collection', options.collection);
  if (options.state) query.set('state', options.state);
  const page = await client.json<{ documents: DocumentSummary[]; next?: string }>(
    'GET',
    `/v1/documents?${query}`,
  );
  output.data(page);
  output.table(
    ['id', 'version', 'state', 'collection', 'chunks', 'title or error'],
    page.documents.map((row) => [
      row.id,
      row.version,
      row.state,
      row.collection,
      row.chunks,
      row.error ? `${row.error.code}: ${row.error.message}` : (row.title ?? ''),
    ]),
  );
  if (page.next) output.text(`more: --limit ${options.limit * 2}`);
  return 0;
}

/** `knarr dead-letters`: what the pipeline could not do, with the reason. */
export async function deadLetters(
  client: ApiClient,
  output: Output,
  options: { limit: number },
): Promise<number> {
  const page = await client.json<{ dead_letters: DeadLetterSummary[] }>(
    'GET',
    `/v1/dead-letters?limit=${options.limit}`,
  );
  output.data(page);
  output.table(
    ['received', 'event', 'subject', 'code', 'message'],
    page.dead_letters.map((row) => [
      row.received_at,
      row.event.type,
      row.event.subject ?? '',
      row.code,
      row.message,
    ]),
  );
  return 0;
}
