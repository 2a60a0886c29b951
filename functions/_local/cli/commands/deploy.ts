import { spawn } from 'node:child_process';
import { cpSync, existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { KnarrError } from '../../../_shared/errors.ts';
import { STAGES } from '../../../_shared/stage.ts';
import { namespaceOf } from '../../cluster/objects.ts';
import { overlayFolder } from '../../cluster/overlay.ts';
import { placeholdersIn } from '../../cluster/placeholders.ts';
import { isKnativeService, type Overlay } from '../../manifests/model.ts';
import { renderOverlay } from '../../manifests/render.ts';
import { goDuration } from '../../manifests/values.ts';
import type { Output } from '../output.ts';

export interface DeployOptions {
  context?: string;
  dryRun?: boolean;
  /** Where `kn func` puts the images that it builds. */
  registry?: string;
  /** How long to wait for the stages. Default: as long as Knative itself waits for the slowest. */
  timeout?: string;
}

/** One program that is run, as it would be typed. */
export interface Step {
  why: string;
  command: string[];
}

/**
 * `knarr deploy`: applies an overlay by kubectl, and says every command before it runs. The stages of an overlay that has
 * none, the variant `functions`, are deployed by kn func.
 */
export async function deploy(output: Output, name: string, options: DeployOptions): Promise<number> {
  const { root, folder } = overlayFolder(name);
  const overlay = await renderOverlay(root, folder);
  const namespace = namespaceOf(overlay);
  const hasStages = overlay.rendered.some(({ object }) => isKnativeService(object));
  const placeholders = placeholdersIn(overlay);
  if (placeholders.length > 0 && !options.dryRun) {
    output.note(`knarr: set what belongs there first (docs/deploy.md, 3):\n${placeholders.join('\n')}`);
    return 1;
  }
  const steps = [
    ...applySteps(join(root, folder), overlay, namespace, options),
    ...(hasStages ? [] : functionSteps(root, namespace, options)),
    waitStep(overlay, namespace, options),
  ];
  output.data({ overlay: folder, namespace, steps: steps.map(({ command }) => command) });
  for (const { why, command } of steps) {
    output.note(`# ${why}`);
    output.note(`$ ${command.map(quoted).join(' ')}`);
    if (options.dryRun) continue;
    const code = await run(command);
    if (code !== 0) {
      output.note(`knarr: that ended with ${code}. knarr doctor ${name} says what is amiss.`);
      return 1;
    }
  }
  return 0;
}

const kubectl = ({ context }: DeployOptions, ...args: string[]) => [
  'kubectl',
  ...(context ? ['--context', context] : []),
  ...args,
];
/** The server merges what we set into what others have set: Knative's own ConfigMaps keep their other keys. */
const APPLY = ['apply', '--server-side', '--field-manager', 'knarr'];
/**
 * A SinkBinding writes K_SINK into the Services' containers, and so owns that list: applying them again would be a conflict. Its
 * webhook puts K_SINK back within the same request.
 */
export const APPLY_OURS = [...APPLY, '--force-conflicts'];

const here = (path: string) => relative('', path) || '.';
const SETTINGS = 'knarr.dev/settings';

function applySteps(folder: string, overlay: Overlay, namespace: string, options: DeployOptions): Step[] {
  const kustomize = ['--kustomize', here(folder)];
  const settings = {
    why: "Knative's own settings first: its webhook refuses fields whose feature flag is off",
    command: kubectl(options, ...APPLY, ...kustomize, '--selector', SETTINGS),
  };
  const has = overlay.rendered.some(({ object }) => object.metadata.labels?.[SETTINGS] !== undefined);
  // What somebody else has set in Knative's ConfigMaps is theirs: a conflict there is told, not won.
  const others = has ? ['--selector', `!${SETTINGS}`] : [];
  const ours = {
    why: `everything${has ? ' else' : ''}, into ${namespace}`,
    command: kubectl(options, ...APPLY_OURS, ...kustomize, ...others),
  };
  return has ? [settings, ours] : [ours];
}

/** The gateway stage twice: for the Broker, and as `api` for the world. */
function functionSteps(root: string, namespace: string, { registry, dryRun }: DeployOptions): Step[] {
  const built = join(root, 'dist/functions');
  if (!existsSync(built))
    throw new KnarrError('not_found', 'The functions are not built yet: npm run build.');
  const api = join(built, 'api');
  if (!dryRun) {
    cpSync(join(built, 'gateway'), api, { recursive: true });
    cpSync(join(root, 'functions/gateway/func.api.yaml'), join(api, 'func.yaml'));
  }
  return [...STAGES, 'api'].map((name) => ({
    why: `the function ${name}`,
    command: [
      'kn',
      'func',
      'deploy',
      '--path',
      here(join(built, name)),
      '--namespace',
      namespace,
      ...(registry ? ['--registry', registry] : []),
    ],
  }));
}

const waitStep = (overlay: Overlay, namespace: string, options: DeployOptions): Step => ({
  why: 'until every stage is ready',
  command: kubectl(
    options,
    'wait',
    'ksvc',
    '--namespace',
    namespace,
    '--selector',
    'app.kubernetes.io/part-of=knarr',
    '--for',
    'condition=Ready',
    '--timeout',
    options.timeout ?? `${longestDeadline(overlay)}s`,
  ),
});

/** Seconds after which Knative gives up the slowest revision. */
function longestDeadline({ rendered }: Overlay): number {
  const deadlines = rendered
    .filter(({ object }) => isKnativeService(object))
    .map(
      ({ object }) => object.spec.template.metadata?.annotations?.['serving.knative.dev/progress-deadline'],
    );
  return Math.max(600, ...deadlines.map((text) => (goDuration(text ?? '0') ?? 0) / 1000));
}

const quoted = (text: string) =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

function run([program = '', ...args]: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? new KnarrError('unavailable', `${program} is not installed.`) : error),
    );
    child.once('exit', (code, signal) => resolve(code ?? (signal ? 130 : 1)));
  });
}
