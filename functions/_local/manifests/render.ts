import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';
import { KnarrError } from '../../_shared/errors.ts';
import type { KubernetesObject, Overlay, Path } from './model.ts';
import { Sources } from './sources.ts';

const run = promisify(execFile);
const ORIGIN = 'config.kubernetes.io/origin';
const MAX_BYTES = 64 * 1024 * 1024;

/** Whether kubectl, whose kustomize renders overlays, is on this machine. */
export const hasKubectl = (): boolean =>
  spawnSync('kubectl', ['version', '--client'], { stdio: 'ignore' }).status === 0;

/**
 * Renders an overlay (a folder below `root`) as `kubectl apply -k` would. Throws `unprocessable` with what kustomize
 * says, `unavailable` without kubectl.
 */
export async function renderOverlay(root: string, name: string): Promise<Overlay & { folders: string[] }> {
  // A kustomization around the overlay: kustomize then says which file each object comes from.
  const wrapper = await realpath(await mkdtemp(join(tmpdir(), 'knarr-overlay-')));
  try {
    const real = await realpath(root);
    const around = { resources: [relative(wrapper, join(real, name))], buildMetadata: ['originAnnotations'] };
    await writeFile(join(wrapper, 'kustomization.yaml'), JSON.stringify(around));
    const { stdout } = await run('kubectl', ['kustomize', wrapper], { maxBuffer: MAX_BYTES }).catch(
      failed(name),
    );
    const sources = new Sources(real, name);
    const rendered = parseAllDocuments(stdout).map((document) => {
      const object = document.toJS() as KubernetesObject;
      const origin = resolve(wrapper, originOf(object) ?? '');
      return { object, at: (path: Path) => sources.at(origin, object, path) };
    });
    return { name, rendered, folders: sources.folders };
  } finally {
    await rm(wrapper, { recursive: true, force: true });
  }
}

/** Takes kustomize's note off the object. A generated object comes from the kustomization that generates it. */
function originOf({ metadata }: KubernetesObject): string | undefined {
  const note = metadata.annotations?.[ORIGIN];
  if (note === undefined) return undefined;
  delete metadata.annotations?.[ORIGIN];
  if (Object.keys(metadata.annotations ?? {}).length === 0) delete metadata.annotations;
  const { path, configuredIn } = parse(note) as { path?: string; configuredIn?: string };
  return path ?? configuredIn;
}

function failed(name: string) {
  return (thrown: NodeJS.ErrnoException & { stderr?: string }): never => {
    if (thrown.code === 'ENOENT')
      throw new KnarrError('unavailable', 'kubectl is not installed; its kustomize renders the overlays.');
    throw new KnarrError(
      'unprocessable',
      `${name} does not render: ${(thrown.stderr ?? '').trim() || thrown.message}`,
      {
        cause: thrown,
      },
    );
  };
}
