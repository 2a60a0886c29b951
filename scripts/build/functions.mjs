// Makes dist/functions/<stage>/: a folder that `kn func deploy --path` takes as it is.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { bundle, root, writeIfChanged } from './bundle.mjs';
import { partOf } from './lockfile.mjs';

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** Names of the stages that exist: folders of functions/ with an index.ts. */
export function stageNames() {
  return readdirSync(join(root, 'functions')).filter((name) =>
    existsSync(join(root, 'functions', name, 'index.ts')),
  );
}

/** Builds one stage's folder and returns the dependencies that stay outside the bundle, with their exact versions. */
export async function buildFunction(stage, outdir = `dist/functions/${stage}`) {
  const source = join(root, 'functions', stage);
  const out = resolve(root, outdir);
  const metafiles = [await bundle({ stdin: entry(stage), outfile: join(outdir, 'index.js') })];
  for (const worker of workersOf(metafiles[0])) {
    metafiles.push(
      await bundle({ entryPoints: [worker.path], outfile: join(outdir, `workers/${worker.name}.js`) }),
    );
  }

  const { knarr, ...manifest } = readJson(join(source, 'package.json'));
  const dependencies = externals(metafiles);
  const own = { ...manifest, dependencies };
  const lock = partOf(readJson(join(root, 'package-lock.json')), own);
  await writeIfChanged(join(out, 'package.json'), `${JSON.stringify(own, null, 2)}\n`);
  await writeIfChanged(join(out, 'package-lock.json'), `${JSON.stringify(lock, null, 2)}\n`);
  await writeIfChanged(join(out, 'start.js'), START);
  for (const name of ['func.yaml', 'README.md']) {
    if (existsSync(join(source, name)))
      await writeIfChanged(join(out, name), await readFile(join(source, name)));
  }
  await writeIfChanged(join(out, '.funcignore'), 'node_modules/\n');
  // The native runtime's install script wants the network; nothing else has one.
  await writeIfChanged(join(out, '.npmrc'), 'ignore-scripts=true\n');
  for (const asset of knarr?.assets ?? []) await copyAsset(asset, out);
  return dependencies;
}

/** The func module, and the stage's own process. */
const entry = (stage) => ({
  resolveDir: root,
  sourcefile: `${stage}.entry.ts`,
  loader: 'ts',
  contents: `
    import { stage } from './functions/${stage}/index.ts';
    import { asFunction } from './functions/_shared/runtime/func.ts';
    import { start as startStage } from './functions/_shared/runtime/start.ts';
    export const { init, handle, shutdown, liveness, readiness } = asFunction(stage);
    export const start = () => startStage(stage, process.env);
  `,
});

const START = `import { start } from './index.js';\n\nawait start();\n`;

/** Workers that bundled sources start with workerFile('<name>'). */
function workersOf({ inputs }) {
  const all = readdirSync(join(root, 'functions'), { recursive: true }).filter((path) =>
    path.endsWith('.worker.ts'),
  );
  const sources = Object.keys(inputs).filter((path) => path.startsWith('functions/'));
  const used = new Set(
    sources.flatMap((path) =>
      [...readFileSync(join(root, path), 'utf8').matchAll(/workerFile\('([\w-]+)'\)/g)].map(
        ([, name]) => name,
      ),
    ),
  );
  return [...used].map((name) => {
    const path = all.find((candidate) => basename(candidate) === `${name}.worker.ts`);
    if (!path) throw new Error(`workerFile('${name}') has no ${name}.worker.ts.`);
    return { name, path: join('functions', path) };
  });
}

/** Packages left outside, at the versions of the root package.json; one that it does not list is optional. */
function externals(metafiles) {
  const versions = readJson(join(root, 'package.json')).dependencies;
  const names = metafiles
    .flatMap(({ outputs }) => Object.values(outputs).flatMap(({ imports }) => imports))
    .filter(({ external }) => external)
    .map(({ path }) => path.match(/^(@[^/]+\/)?[^/]+/)[0])
    .filter((name) => Object.hasOwn(versions, name));
  return Object.fromEntries([...new Set(names)].sort().map((name) => [name, versions[name]]));
}

/** A path below the repository or below dist/, at the same place in the function's folder. */
async function copyAsset(asset, out) {
  const from = [join(root, asset), join(root, 'dist', asset)].find((path) => existsSync(path));
  if (!from) throw new Error(`The asset ${asset} is missing.`);
  await cp(from, join(out, asset), {
    recursive: true,
    preserveTimestamps: true,
    filter: async (source, target) => {
      if (!existsSync(target)) return true;
      const [a, b] = [await stat(source), await stat(target)];
      return a.isDirectory() || a.size !== b.size || a.mtimeMs > b.mtimeMs + 1000;
    },
  });
}

export async function buildFunctions() {
  for (const stage of stageNames()) await buildFunction(stage);
}
