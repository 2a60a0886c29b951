import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';

interface Kustomization {
  resources?: string[];
  components?: string[];
  transformers?: string[];
  configurations?: string[];
  patches?: { path?: string }[];
  configMapGenerator?: { envs?: string[]; files?: string[] }[];
}

/** Folders with a kustomization of `parent`'s children, from the root, in order. */
export function overlaysIn(root: string, parent: string): string[] {
  return readdirSync(join(root, parent))
    .filter((name) => existsSync(join(root, parent, name, 'kustomization.yaml')))
    .sort()
    .map((name) => `${parent}/${name}`);
}

/**
 * The files themselves: one object in each, every one taken by a kustomization, and every component by an overlay or
 * variant (`used`: the folders that these are made of), so that nothing lies there unchecked.
 */
export function checkFiles(root: string, used: ReadonlySet<string>): string[] {
  const files = ['brokers', 'knative', 'triggers'].flatMap((name) => walk(join(root, name))).sort();
  const taken = new Set(files.filter(isKustomization).flatMap(filesOf));
  return files.flatMap((file) => {
    const name = relative(root, file);
    if (isKustomization(file)) {
      const folder = dirname(name);
      return used.has(folder) ? [] : [`${name}:1: ${folder} is used by no overlay and no variant`];
    }
    const problems = taken.has(file) || isTest(file) ? [] : [`${name}:1: no kustomization takes it`];
    if (!file.endsWith('.yaml') || isTest(file)) return problems;
    const documents = parseAllDocuments(readFileSync(file, 'utf8'));
    const [failed] = documents.flatMap((document) => ('errors' in document ? document.errors : []));
    if (failed) problems.push(`${name}:${failed.linePos?.[0].line ?? 1}: ${failed.message.split('\n')[0]}`);
    if (documents.length > 1)
      problems.push(`${name}:1: holds ${documents.length} objects; each has a file of its own`);
    return problems;
  });
}

const isKustomization = (file: string) => file.endsWith('/kustomization.yaml');
const isTest = (file: string) => file.endsWith('.test.yaml');

function walk(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

function filesOf(kustomization: string): string[] {
  const folder = dirname(kustomization);
  const {
    resources = [],
    components = [],
    transformers = [],
    configurations = [],
    patches = [],
    configMapGenerator = [],
  } = (parse(readFileSync(kustomization, 'utf8')) as Kustomization | null) ?? {};
  const generated = configMapGenerator.flatMap(({ envs = [], files = [] }) => [
    ...envs,
    ...files.map((entry) => entry.split('=').at(-1) as string),
  ]);
  const patched = patches.flatMap(({ path }) => (path === undefined ? [] : [path]));
  return [...resources, ...components, ...transformers, ...configurations, ...patched, ...generated].map(
    (name) => join(folder, name),
  );
}
