import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { asset } from '../../_shared/assets.ts';
import { KnarrError } from '../../_shared/errors.ts';
import { overlaysIn } from '../manifests/files.ts';

/**
 * The folder of an overlay, from a root that contains all that it is made of: one of `knative/overlays` or
 * `knative/variants` by its name, or any folder with a kustomization. Throws `not_found` naming those there are.
 */
export function overlayFolder(name: string): { root: string; folder: string } {
  const root = dirname(asset('knative'));
  for (const parent of ['knative/overlays', 'knative/variants']) {
    if (/^[\w-]+$/.test(name) && existsSync(join(root, parent, name, 'kustomization.yaml')))
      return { root, folder: `${parent}/${name}` };
  }
  const own = resolve(name);
  if (existsSync(join(own, 'kustomization.yaml'))) {
    const below = relative(root, own);
    return below.startsWith('..') || isAbsolute(below) ? { root: own, folder: '.' } : { root, folder: below };
  }
  const names = ['knative/overlays', 'knative/variants']
    .flatMap((parent) => overlaysIn(root, parent))
    .map((path) => path.split('/').at(-1));
  throw new KnarrError(
    'not_found',
    `There is no overlay ${name}: take a folder with a kustomization.yaml, or one of ${names.join(', ')}.`,
  );
}
