import { readFile, stat } from 'node:fs/promises';
import { dirname, extname, isAbsolute, relative, resolve, sep } from 'node:path';
import { convertPathToPattern, glob } from 'tinyglobby';
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

/** Every ending that is looked for in a folder. */
export const ENDINGS = Object.keys(MEDIA_TYPES);

/** One thing to ingest. */
export type Source =
  | { kind: 'file'; id: string; path: string; mediaType: string }
  | { kind: 'url'; id: string; url: string }
  | { kind: 'stdin'; id: string };
export type FileSource = Extract<Source, { kind: 'file' }>;

/** A file, folder or glob, whose files may come and go. */
export interface FilePattern {
  /** Where it looks; it leads nowhere else. */
  folder: string;
  /** Globs below the folder. */
  patterns: string[];
  ignoreCase: boolean;
  /** Ids of files outside the working folder are paths below this one. */
  root: string;
}

/**
 * Files, folders (searched for known endings), globs, http(s) URLs and `-` as sources, in the order given, each once.
 * A file's id is its path below the working folder; elsewhere, below the folder that holds what was named.
 * Throws `invalid_request` for what matches nothing, unless that may be, and when two files would have the same id.
 * @param options.id of the only document
 */
export async function expandSources(
  inputs: readonly string[],
  { id, mayBeEmpty = false }: { id?: string | undefined; mayBeEmpty?: boolean } = {},
): Promise<Source[]> {
  const sources = new Map<string, Source>();
  for (const input of inputs) {
    const found = await sourcesOf(input);
    if (found.length === 0 && !mayBeEmpty) throw await nothing(input);
    for (const source of found) {
      const known = sources.get(source.id);
      if (known?.kind === 'file' && source.kind === 'file' && known.path !== source.path) {
        throw new KnarrError(
          'invalid_request',
          `${known.path} and ${source.path} would both be the document ${source.id}; give one of them another id with --id.`,
        );
      }
      sources.set(source.id, source);
    }
  }
  const all = [...sources.values()];
  if (id === undefined) return all;
  if (all.length === 1 && all[0]) return [{ ...all[0], id }];
  throw new KnarrError('invalid_request', `--id goes with exactly one document, not with ${all.length}.`);
}

async function sourcesOf(input: string): Promise<Source[]> {
  if (input === '-') return [{ kind: 'stdin', id: 'stdin' }];
  if (isUrl(input)) return [{ kind: 'url', id: input, url: input }];
  return findFiles(await filePattern(input));
}

async function nothing(input: string): Promise<KnarrError> {
  const isFolder = (await stat(input).catch(() => undefined))?.isDirectory();
  const reason = isFolder ? `holds no file that ends in ${ENDINGS.join(', ')}` : 'matches no file';
  return new KnarrError('invalid_request', `${input} ${reason}.`);
}

export const isUrl = (input: string): boolean => /^https?:\/\//i.test(input);

/** Makes a path or glob into a pattern; what exists under just that name is no glob. */
export async function filePattern(input: string): Promise<FilePattern> {
  const path = resolve(input);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) {
    const patterns = ENDINGS.map((ending) => `**/*${ending}`);
    return { folder: path, patterns, ignoreCase: true, root: dirname(path) };
  }
  const folder = found ? dirname(path) : fixedPart(path);
  const rest = relative(folder, path).split(sep).join('/');
  return { folder, patterns: [found ? convertPathToPattern(rest) : rest], ignoreCase: false, root: folder };
}

/** The folder above a glob's first segment with a wildcard. */
function fixedPart(path: string): string {
  const segments = path.split(sep);
  const first = segments.findIndex((segment) => /[*?[\]{}()!]/.test(segment));
  return segments.slice(0, first === -1 ? -1 : first).join(sep) || sep;
}

/** The files there are now, by name; none when the folder is missing. */
export async function findFiles({ folder, patterns, ignoreCase, root }: FilePattern): Promise<FileSource[]> {
  const paths = await glob(patterns, {
    cwd: folder,
    absolute: true,
    caseSensitiveMatch: !ignoreCase,
    ignore: ['**/node_modules/**'],
    expandDirectories: false,
  });
  return paths
    .map((path) => resolve(path))
    .sort()
    .map((path) => fileSource(path, root));
}

function fileSource(path: string, root: string): FileSource {
  const here = relative(process.cwd(), path);
  const isBelow = !here.startsWith('..') && !isAbsolute(here);
  const id = (isBelow ? here : relative(root, path)).split(sep).join('/');
  return { kind: 'file', id, path, mediaType: MEDIA_TYPES[extname(path).toLowerCase()] ?? 'text/plain' };
}

/** The bytes of a file or of standard input. */
export async function readSource(source: Exclude<Source, { kind: 'url' }>): Promise<Uint8Array> {
  if (source.kind === 'file') return readFile(source.path);
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
