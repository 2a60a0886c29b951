import { type ApiClient, ApiError } from '../client.ts';
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
interface DeadLetter {
  id: string;
  code: string;
  message: string;
  destination: string;
  received_at: string;
  event: { type: string; subject?: string };
}
interface Info {
  version: string;
  config?: Record<string, unknown>;
}

/** As many as one request may list. */
const LONGEST_PAGE = 1000;

/** `knarr status`: whether it can work, and what it holds. Exit code 1 when it is not ready. */
export async function status(client: ApiClient, output: Output): Promise<number> {
  const info = await client.json<Info>('GET', '/info');
  const problem = await client.json('GET', '/health/readiness').then(
    () => null,
    (thrown: unknown) => {
      if (thrown instanceof ApiError) return thrown.message;
      throw thrown;
    },
  );
  const { collections } = await client.json<{
    collections: { collection: string; documents: number; generation: string; rebuilding: number }[];
  }>('GET', '/v1/collections');
  const letters = await client.json<{ dead_letters: unknown[] }>(
    'GET',
    `/v1/dead-letters?limit=${LONGEST_PAGE}`,
  );
  const count = letters.dead_letters.length;
  output.data({ url: client.url, ready: problem === null, ...info, collections, dead_letters: count });

  output.text(
    `Knarr ${info.version} at ${client.url}: ${problem === null ? 'ready' : `not ready: ${problem}`}`,
  );
  const { KNARR_DATA_DIR: data, KNARR_GENERATE_BACKEND: answers } = info.config ?? {};
  if (data) output.text(`data in ${data}`);
  if (answers) output.text(`answers: ${answers}`);
  output.table(
    ['collection', 'documents', 'index generation'],
    collections.map((row) => [
      row.collection,
      row.documents,
      row.rebuilding > 0 ? `${row.generation}, ${row.rebuilding} documents not in it yet` : row.generation,
    ]),
  );
  output.text(`dead letters: ${count === LONGEST_PAGE ? `${count} or more` : count}`);
  return problem === null ? 0 : 1;
}

export interface DocumentsOptions {
  collection?: string;
  state?: string;
  limit: number;
  delete?: string[];
}

/** `knarr documents`: lists or deletes. Exit code 1 when one could not be deleted. */
export async function documents(
  client: ApiClient,
  output: Output,
  options: DocumentsOptions,
): Promise<number> {
  if (options.delete) return deleteDocuments(client, output, options.delete);
  const { rows, more } = await listDocuments(client, options);
  output.data({ documents: rows, more });
  output.table(
    ['id', 'version', 'state', 'collection', 'chunks', 'title or error'],
    rows.map((row) => [
      row.id,
      row.version,
      row.state,
      row.collection,
      row.chunks,
      row.error ? `${row.error.code}: ${row.error.message}` : (row.title ?? ''),
    ]),
  );
  if (more) output.text(`There are more: --limit ${options.limit * 2}`);
  return 0;
}

async function listDocuments(client: ApiClient, { collection, state, limit }: DocumentsOptions) {
  const rows: DocumentSummary[] = [];
  let cursor: string | undefined;
  do {
    const query = new URLSearchParams({
      limit: String(Math.min(limit - rows.length, LONGEST_PAGE)),
      ...(collection !== undefined && { collection }),
      ...(state !== undefined && { state }),
      ...(cursor !== undefined && { cursor }),
    });
    const page = await client.json<{ documents: DocumentSummary[]; next?: string }>(
      'GET',
      `/v1/documents?${query}`,
    );
    rows.push(...page.documents);
    cursor = page.next;
  } while (cursor !== undefined && rows.length < limit);
  return { rows, more: cursor !== undefined };
}

async function deleteDocuments(client: ApiClient, output: Output, ids: readonly string[]): Promise<number> {
  let exitCode = 0;
  for (const id of ids) {
    try {
      output.data(await client.json('DELETE', `/v1/documents/${encodeURIComponent(id)}`));
      output.text(`deleted: ${id}`);
    } catch (thrown) {
      if (!(thrown instanceof ApiError)) throw thrown;
      output.data({ id, error: thrown.problem });
      output.note(`not deleted: ${id}: ${thrown.message}`);
      exitCode = 1;
    }
  }
  return exitCode;
}

export interface DeadLettersOptions {
  type?: string;
  code?: string;
  subject?: string;
  limit: number;
}

/** `knarr dead-letters`: what the pipeline could not do, with the reason; by its id, one with its event. */
export async function deadLetters(
  client: ApiClient,
  output: Output,
  id: string | undefined,
  { limit, ...narrowed }: DeadLettersOptions,
): Promise<number> {
  if (id !== undefined) {
    const letter = await client.json<DeadLetter>('GET', `/v1/dead-letters/${encodeURIComponent(id)}`);
    output.data(letter);
    output.text(JSON.stringify(letter, null, 2));
    return 0;
  }
  const query = new URLSearchParams({ ...narrowed, limit: String(Math.min(limit, LONGEST_PAGE)) });
  const page = await client.json<{ dead_letters: DeadLetter[]; next?: string }>(
    'GET',
    `/v1/dead-letters?${query}`,
  );
  output.data(page);
  if (page.dead_letters.length === 0) output.text('No dead letters.');
  else {
    output.table(
      ['id', 'received', 'event', 'subject', 'reason'],
      page.dead_letters.map(({ id, received_at, event, code, message }) => [
        id,
        received_at,
        event.type,
        event.subject ?? '',
        `${code}: ${message}`,
      ]),
    );
  }
  if (page.next !== undefined) output.text('There are more: narrow them, or raise --limit.');
  return 0;
}
