import { readFile, stat } from 'node:fs/promises';
import { basename, extname, join, relative, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { glob } from 'tinyglobby';
import { KnarrError } from '../../_shared/errors.ts';

const MEDIA_TYPES: Record<string, string> = {
  '.txt': 'text/plain',
  '.text': 'text/plain',
  '.md': 'text/markdown',
  '.markdown': 'text/markdown',
  '.html': 'text/html',
  '.htm': 'text/html',
  '.xhtml': 'application/xhtml+xml',
  '.pdf': 'application/pdf',
  '.docx': 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
};

/** One thing to ingest. */
export type Source =
  | { kind: 'file'; id: string; path: string; link: string; mediaType: string | undefined }
  | { kind: 'url'; id: string; url: string }
  | { kind: 'stdin'; id: string };

/** The media type that a file name promises; undefined for names that promise none. */
export const mediaTypeOf = (path: string): string | undefined => MEDIA_TYPES[extname(path).toLowerCase()];

/** Every ending that `knarr ingest <folder>` looks for. */
export const ENDINGS = Object.keys(MEDIA_TYPES);

/** A file as a source; its id is its path below `folder`, with forward slashes. */
export function fileSource(path: string, folder: string): Source {
  const id = relative(folder, path).split(sep).join('/') || basename(path);
  return { kind: 'file', id, path, link: pathToFileURL(path).href, mediaType: mediaTypeOf(path) };
}

/**
 * Files, folders (searched for known endings), globs, http(s) URLs and `-` as sources, in the order given, each once.
 * Throws `invalid_request` for a path that does not exist and a pattern that matches nothing.
 */
export async function expandSources(inputs: readonly string[], id?: string): Promise<Source[]> {
  const sources = new Map<string, Source>();
  const add = (source: Source) => sources.set(source.id, source);
  for (const input of inputs) {
    if (input === '-') add({ kind: 'stdin', id: id ?? 'stdin' });
    else if (/^https?:\/\//.test(input)) add({ kind: 'url', id: input, url: input });
    else for (const source of await localSources(input)) add(source);
  }
  const all = [...sources.values()];
  if (id !== undefined && all.length === 1 && all[0]) return [{ ...all[0], id }];
  if (id !== undefined) throw new KnarrError('invalid_request', '--id goes with exactly one document.');
  return all;
}

async function localSources(input: string): Promise<Source[]> {
  const found = await stat(input).catch(() => undefined);
  if (found?.isFile()) return [fileSource(resolve(input), resolve(input, '..'))];
  const patterns = found?.isDirectory() ? ENDINGS.map((ending) => `**/*${ending}`) : [input];
  const folder = found?.isDirectory() ? resolve(input) : process.cwd();
  const paths = await glob(patterns, {
    cwd: folder,
    absolute: true,
    caseSensitiveMatch: false,
    ignore: ['**/node_modules/**', '**/.*/**'],
    expandDirectories: false,
  });
  if (paths.length === 0) {
    const reason = found ? `holds no ${ENDINGS.join(', ')} file` : 'matches nothing';
    throw new KnarrError('invalid_request', `${input} ${reason}.`);
  }
  return paths.sort().map((path) => fileSource(join(path), folder));
}

/** The bytes of a file or of standard input. */
export async function readSource(source: Exclude<Source, { kind: 'url' }>): Promise<Uint8Array> {
  if (source.kind === 'file') return readFile(source.path);
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
