// Installs from the lockfile when node_modules is missing or not what the lockfile says. Node built-ins only.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

export function ensureInstalled() {
  if (isInstalled()) return;
  console.error('Installing the packages of package-lock.json …');
  // --include=dev: the build needs esbuild even where NODE_ENV says production.
  const { status, error } = spawnSync('npm', ['ci', '--include=dev', '--no-fund', '--no-audit'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (status === 0) return;
  console.error(`npm ci failed: ${error?.message ?? 'the reason is above'}. Node and npm are all it needs.`);
  process.exit(1);
}

/** Whether npm's own record of what it installed has every package of the lockfile. */
function isInstalled() {
  try {
    const installed = packagesOf('node_modules/.package-lock.json');
    return Object.entries(packagesOf('package-lock.json')).every(([path, wanted]) => {
      const present = installed[path];
      // Packages for other platforms are optional, and absent.
      if (path === '' || (!present && (wanted.optional || wanted.devOptional))) return true;
      return present?.version === wanted.version && present.integrity === wanted.integrity;
    });
  } catch {
    return false;
  }
}

const packagesOf = (file) => JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
