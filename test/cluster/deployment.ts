import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { deploy } from '../../functions/_local/cli/commands/deploy.ts';
import { createOutput } from '../../functions/_local/cli/output.ts';
import { namespaceOf } from '../../functions/_local/cluster/objects.ts';
import { overlayFolder } from '../../functions/_local/cluster/overlay.ts';
import { isKnativeService, type KubernetesObject } from '../../functions/_local/manifests/model.ts';
import { renderOverlay } from '../../functions/_local/manifests/render.ts';
import { STAGES } from '../../functions/_shared/stage.ts';
import type { Options } from './options.ts';

/** What the overlay says, moved into the namespace of this run, with the images of this run. */
export interface Deployment {
  objects: KubernetesObject[];
  /** Names of the Knative Services. */
  services: string[];
  /** Image of each stage. */
  images: Map<string, string>;
}

/** Administers every tenant: the comparison of all stores is its alone. */
export const OPERATOR = 'tenant-0';

export async function renderDeployment(options: Options): Promise<Deployment> {
  const { root, folder } = overlayFolder(options.overlay);
  const overlay = await renderOverlay(root, folder);
  const from = namespaceOf(overlay);
  const images = new Map<string, string>();

  function imageOf(image: string): string {
    const [, name = '', tag = ''] = /^(.*?)(:[^:/]+)?$/.exec(image) ?? [];
    const stage = STAGES.find((one) => name.endsWith(`knarr/${one}`));
    if (!stage) return options.image.get(name) ?? image;
    const chosen = options.images === undefined ? image : `${options.images}/${stage}${tag}`;
    images.set(stage, chosen);
    return chosen;
  }

  function moved(value: unknown, key = ''): unknown {
    if (Array.isArray(value)) return value.map((one) => moved(one));
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, moved(one, name)]));
    if (key === 'namespace' && value === from) return options.namespace;
    if (key === 'operator-tenant') return OPERATOR;
    if (key === 'image' && typeof value === 'string') return imageOf(value);
    return value;
  }

  const objects = overlay.rendered.map(({ object }) => moved(object) as KubernetesObject);
  for (const { kind, metadata } of objects)
    if (kind === 'Namespace' && metadata.name === from) metadata.name = options.namespace;
  const services = objects.filter(isKnativeService).map(({ metadata }) => metadata.name);
  return { objects, services, images };
}

/** Makes and loads the image of each stage by the command that was given. */
export async function loadImages({ images }: Deployment, command: string): Promise<void> {
  for (const [stage, image] of images) {
    const folder = join('dist/functions', stage);
    const filled = command
      .replaceAll('{image}', image)
      .replaceAll('{stage}', stage)
      .replaceAll('{folder}', folder);
    const child = spawn(filled, { shell: true, stdio: ['ignore', 'ignore', 'inherit'] });
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error(`${filled} ended with ${code}.`);
  }
}

/** Deploys it as a user would, by `knarr deploy`: ready when it returns. Throws when a command of it fails. */
export async function deployed(
  { objects }: Deployment,
  { context }: Pick<Options, 'context'>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'knarr-deployment-'));
  const written: string[] = [];
  try {
    await writeFile(join(folder, 'kustomization.yaml'), stringify({ resources: ['objects.yaml'] }));
    await writeFile(join(folder, 'objects.yaml'), objects.map((one) => stringify(one)).join('---\n'));
    const output = {
      ...createOutput(true),
      data: () => {},
      note: (line: string) => void written.push(line),
    };
    const code = await deploy(output, folder, { ...(context && { context }) });
    if (code !== 0) throw new Error(`knarr deploy ended with ${code}:\n${written.join('\n')}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
