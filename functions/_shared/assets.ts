import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

// From a stage's own folder in dist/functions/<stage>/, from dist/, and from the sources in functions/_shared/.
const ROOTS = ['./', '../', '../../', '../../dist/'];

/**
 * Path of a file or folder that is shipped beside the code (`models/…`, `workers/…`), whether the code runs from
 * its sources, from the one-process bundle or from a stage's own folder. Throws when it is nowhere.
 */
export function asset(relative: string): string {
  for (const root of ROOTS) {
    const path = fileURLToPath(new URL(root + relative, import.meta.url));
    if (existsSync(path)) return path;
  }
  throw new Error(`${relative} is missing; run "npm run build".`);
}

/** Script of a worker thread or child process: the bundle of `<name>.worker.ts`. */
export const workerFile = (name: string): string => asset(`workers/${name}.js`);
