import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiClient, ApiError } from '../client.ts';
import type { Output } from '../output.ts';
import { ingestSources, type SendOptions } from '../send.ts';
import { type FilePattern, type FileSource, filePattern, findFiles } from '../sources.ts';

interface SeenFile {
  source: FileSource;
  /** Changes when the file does. */
  stamp: string;
}
type Files = Map<string, SeenFile>;
export interface Snapshot {
  patterns: FilePattern[];
  files: Files;
}

const SHORTEST_PAUSE_MS = 400;
/** Looking takes at most this share of the time, however many files there are. */
const LOOKING_SHARE = 0.05;

/** The files that the inputs stand for now. */
export async function snapshot(inputs: readonly string[]): Promise<Snapshot> {
  const patterns = await Promise.all(inputs.map(filePattern));
  return { patterns, files: await look(patterns) };
}

/**
 * Keeps the store in step with files, from how they were: changed and new ones are sent, vanished ones deleted. It looks
 * again and again, which works on every file system. Resolves when the signal is aborted.
 */
export async function watchFiles(
  client: ApiClient,
  output: Output,
  { patterns, files: sent }: Snapshot,
  options: SendOptions & { signal: AbortSignal },
): Promise<void> {
  const { signal } = options;
  const folders = new Set(patterns.map(({ folder }) => folder));
  for (const folder of folders) output.note(`watching ${folder}`);
  let last = sent;
  while (!signal.aborted) {
    const started = performance.now();
    const now = await look(patterns);
    // Editors write a file in several steps, or replace it: a change counts when it is there for the second time.
    const changed = [...now].filter(
      ([id, { stamp }]) => sent.get(id)?.stamp !== stamp && last.get(id)?.stamp === stamp,
    );
    const gone = [...sent.keys()].filter((id) => !now.has(id) && !last.has(id));
    last = now;
    const pause = Math.max(SHORTEST_PAUSE_MS, (performance.now() - started) / LOOKING_SHARE);
    if (changed.length > 0) await send(client, output, new Map(changed), sent, options);
    // A folder that is unmounted or being replaced says nothing about its files.
    if (gone.length > 0 && (await allExist(folders))) await remove(client, output, gone, sent);
    await sleep(pause, undefined, { signal }).catch(() => {});
  }
}

async function look(patterns: readonly FilePattern[]): Promise<Files> {
  const found = (await Promise.all(patterns.map(findFiles))).flat();
  const files: Files = new Map();
  for (const source of found) {
    const info = await stat(source.path).catch(() => undefined);
    if (info) files.set(source.id, { source, stamp: `${info.mtimeMs} ${info.size} ${info.ino}` });
  }
  return files;
}

const allExist = (folders: Iterable<string>): Promise<boolean> =>
  Promise.all([...folders].map((folder) => stat(folder))).then(
    () => true,
    () => false,
  );

/** What has ended is remembered in `sent`; the rest is tried again at the next look. */
async function send(client: ApiClient, output: Output, files: Files, sent: Files, options: SendOptions) {
  const sources = [...files.values()].map(({ source }) => source);
  const { stopped } = await ingestSources(client, sources, options, (result) => {
    const { id, state, chunks, error } = result;
    const file = files.get(id);
    if (file) sent.set(id, file);
    output.data(result);
    if (error) output.note(`failed: ${id}: ${error}`);
    else output.text(`${state}: ${id} (${chunks} chunks)`);
  });
  if (stopped) output.note(stopped.message);
}

async function remove(client: ApiClient, output: Output, ids: readonly string[], sent: Files) {
  for (const id of ids) {
    try {
      await client.json('DELETE', `/v1/documents/${encodeURIComponent(id)}`);
      output.data({ id, state: 'deleted' });
      output.text(`deleted: ${id}`);
    } catch (thrown) {
      const isGone = thrown instanceof ApiError && thrown.problem.status === 404;
      if (!isGone) {
        output.note(`not deleted: ${id}: ${(thrown as Error).message}`);
        continue;
      }
    }
    sent.delete(id);
  }
}
