import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  type Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  parseDocument,
} from 'yaml';
import { type KubernetesObject, type Path, valueAt } from './model.ts';
import { parseSelector, selects } from './selectors.ts';

/** A YAML document with a way to say where something in it stands. */
interface Source {
  file: string;
  value: unknown;
  /** Line of the key or item at the path, or of the nearest one above it that is there. */
  line(path: Path): number;
  has(path: Path): boolean;
}

/** One change that a kustomization makes to the objects that its target selects. */
interface Patch {
  target: Target;
  changes: { path: Path; value: unknown; file: string; line: number }[];
}
interface Target {
  group?: string;
  kind?: string;
  name?: string;
  labelSelector?: string;
}
interface Operation {
  op: string;
  path: string;
  value?: unknown;
}

/** The files that an overlay is made of, to find in them what it renders. */
export class Sources {
  readonly #root: string;
  readonly #documents = new Map<string, Source[]>();
  readonly #patches: Patch[] = [];
  readonly #seen = new Set<string>();

  constructor(root: string, folder: string) {
    this.#root = root;
    this.#walk(resolve(root, folder));
  }

  /** Folders with a kustomization that take part. */
  get folders(): string[] {
    return [...this.#seen].map((folder) => relative(this.#root, folder));
  }

  /** `file:line` of a field of a rendered object that comes from `origin`. */
  at(origin: string, object: KubernetesObject, path: Path): string {
    const source = this.#read(origin).find(({ value }) => isSame(value, object)) ?? this.#read(origin)[0];
    const rendered = valueAt(object, path);
    let best: { file: string; line: number; depth: number } | undefined;
    for (const change of this.#changesOf(object)) {
      const depth = change.path.length;
      if (depth > path.length || !change.path.every((part, at) => String(part) === String(path[at])))
        continue;
      const agrees = isDeepStrictEqual(valueAt(change.value, path.slice(depth)), rendered);
      if (!agrees && source?.has(path)) continue;
      if (!best || depth >= best.depth) best = { file: change.file, line: change.line, depth };
    }
    return best ? `${best.file}:${best.line}` : `${relative(this.#root, origin)}:${source?.line(path) ?? 1}`;
  }

  *#changesOf(object: KubernetesObject) {
    for (const { target, changes } of this.#patches) {
      if (!matches(target, object)) continue;
      for (const change of changes) {
        const path = concrete(change.path, change.value, object);
        if (path) yield { ...change, path };
      }
    }
  }

  #walk(folder: string): void {
    const file = join(folder, 'kustomization.yaml');
    if (this.#seen.has(folder) || !existsSync(file)) return;
    this.#seen.add(folder);
    const [kustomization] = this.#read(file);
    const value = kustomization?.value as Record<string, unknown[]> | undefined;
    for (const key of ['resources', 'components', 'transformers']) {
      for (const entry of value?.[key] ?? []) {
        const path = resolve(folder, String(entry));
        if (existsSync(path) && statSync(path).isDirectory()) this.#walk(path);
      }
    }
    for (const [index, entry] of (value?.patches ?? []).entries()) {
      const { path, patch, target } = entry as { path?: string; patch?: string; target?: Target };
      if (path !== undefined)
        this.#addPatch(join(folder, path), 0, readFileSync(join(folder, path), 'utf8'), target);
      if (patch !== undefined)
        this.#addPatch(file, kustomization?.line(['patches', index, 'patch']) ?? 0, patch, target);
    }
  }

  /** `offset`: the line before the first one of the text in its file. */
  #addPatch(file: string, offset: number, text: string, target: Target | undefined): void {
    const source = sourceOf(file, text);
    const name = relative(this.#root, file);
    if (Array.isArray(source.value)) {
      const changes = (source.value as Operation[]).map(({ path, value }, index) => ({
        path: path.split('/').slice(1).map(unescaped),
        value,
        file: name,
        line: offset + source.line([index, 'path']),
      }));
      this.#patches.push({ target: target ?? {}, changes });
      return;
    }
    const merged = source.value as Partial<KubernetesObject>;
    const own = { kind: merged.kind, name: merged.metadata?.name };
    this.#patches.push({
      target: target ?? (Object.fromEntries(Object.entries(own).filter(([, value]) => value)) as Target),
      changes: leaves(merged, []).map(({ path, value }) => ({
        path,
        value,
        file: name,
        line: offset + source.line(path),
      })),
    });
  }

  #read(file: string): Source[] {
    const known = this.#documents.get(file);
    if (known) return known;
    const isFile = existsSync(file) && statSync(file).isFile();
    const lines = new LineCounter();
    const documents = isFile ? parseAllDocuments(readFileSync(file, 'utf8'), { lineCounter: lines }) : [];
    const sources = [...documents].map((document) => toSource(file, document as Document, lines));
    this.#documents.set(file, sources);
    return sources;
  }
}

export const folderOf = (file: string): string => dirname(file);

function sourceOf(file: string, text: string): Source {
  const lines = new LineCounter();
  return toSource(file, parseDocument(text, { lineCounter: lines }), lines);
}

function toSource(file: string, document: Document, lines: LineCounter): Source {
  const nodeAt = (path: Path) => {
    const parent = document.getIn(path.slice(0, -1), true);
    const name = path.at(-1);
    const pair =
      isMap(parent) && parent.items.find(({ key }) => isScalar(key) && String(key.value) === String(name));
    const node = pair ? pair.key : isSeq(parent) ? parent.items[Number(name)] : undefined;
    return isNode(node) && node.range ? node.range[0] : undefined;
  };
  const numbered = (path: Path) => path.map((part) => (/^\d+$/.test(String(part)) ? Number(part) : part));
  return {
    file,
    value: document.toJS(),
    has: (path) => nodeAt(numbered(path)) !== undefined,
    line(path) {
      for (let depth = path.length; depth > 0; depth--) {
        const offset = nodeAt(numbered(path.slice(0, depth)));
        if (offset !== undefined) return lines.linePos(offset).line;
      }
      return 1;
    },
  };
}

const unescaped = (part: string) => part.replaceAll('~1', '/').replaceAll('~0', '~');

/** Where an operation has put its value: `-` is the place in the list that holds it now. */
function concrete(path: Path, value: unknown, object: KubernetesObject): Path | undefined {
  if (path.at(-1) !== '-') return path;
  const list = valueAt(object, path.slice(0, -1));
  const index = Array.isArray(list) ? list.findIndex((item) => isDeepStrictEqual(item, value)) : -1;
  return index < 0 ? undefined : [...path.slice(0, -1), index];
}

function matches({ group, kind, name, labelSelector }: Target, object: KubernetesObject): boolean {
  const own = object.apiVersion.includes('/') ? object.apiVersion.split('/')[0] : '';
  return (
    (group === undefined || group === own) &&
    (kind === undefined || new RegExp(`^(?:${kind})$`).test(object.kind)) &&
    (name === undefined || new RegExp(`^(?:${name})$`).test(object.metadata.name)) &&
    (labelSelector === undefined || selects(parseSelector(labelSelector), object.metadata.labels ?? {}))
  );
}

function isSame(value: unknown, { kind, metadata }: KubernetesObject): boolean {
  const other = value as Partial<KubernetesObject> | null;
  return other?.kind === kind && other.metadata?.name === metadata.name;
}

function leaves(value: unknown, path: Path): { path: Path; value: unknown }[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [{ path, value }];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]));
}
