/**
 * The part of a lockfile (npm's version 3) that some dependencies need, so that `npm ci` of a folder with only these
 * installs exactly what the repository has. `manifest`: the folder's package.json.
 */
export function partOf(lock, manifest) {
  const packages = {
    '': {
      name: manifest.name,
      version: manifest.version,
      dependencies: manifest.dependencies,
      engines: manifest.engines,
    },
  };
  const take = (name, from) => {
    const path = find(lock.packages, name, from);
    if (path === undefined || packages[path]) return;
    // What was for development or optional in the repository is not so here.
    const { dev: _, devOptional: __, optional: ___, peer: ____, ...entry } = lock.packages[path];
    packages[path] = entry;
    const { dependencies, optionalDependencies, peerDependencies } = entry;
    for (const other of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }))
      take(other, path);
  };
  for (const name of Object.keys(manifest.dependencies)) take(name, '');
  const sorted = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)));
  return {
    name: manifest.name,
    version: manifest.version,
    lockfileVersion: 3,
    requires: true,
    packages: sorted,
  };
}

/** Where Node would find the package from `from`: the nearest node_modules above. */
function find(packages, name, from) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const path = at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`;
    if (packages[path]) return path;
    if (at === '') return undefined;
  }
}
