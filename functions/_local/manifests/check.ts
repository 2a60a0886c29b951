import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WiredStage } from '../wiring/check.ts';
import { checkFeatures } from './features.ts';
import { checkFiles, overlaysIn } from './files.ts';
import { checkFunctions } from './functions.ts';
import { isKnativeService, type Overlay, type Problem, type Rendered } from './model.ts';
import { renderOverlay } from './render.ts';
import { checkAnnotations } from './rules/annotations.ts';
import { checkCertificates } from './rules/certificates.ts';
import { type ConfiguredStage, checkConfig } from './rules/config.ts';
import { checkEventing } from './rules/eventing.ts';
import { checkNetwork } from './rules/network.ts';
import { checkOperations } from './rules/operations.ts';
import { checkPods } from './rules/pods.ts';
import { checkReach } from './rules/reach.ts';
import { checkReferences } from './rules/references.ts';
import { checkServing } from './rules/serving.ts';
import { checkStores } from './rules/stores.ts';
import { checkOverlayWiring, placeOf } from './rules/wiring.ts';
import { createSchemas } from './schema.ts';

export type CheckedStage = WiredStage & ConfiguredStage;

export interface CheckContext {
  stages: readonly CheckedStage[];
  /** Names of the metrics that the code has. */
  metrics: ReadonlySet<string>;
  schemas: ReturnType<typeof createSchemas>;
  /** Services of stages, for an overlay without any. */
  services: readonly Rendered[];
}

/** Everything that is wrong with an overlay, one `file:line: Kind/name: field: …` each. */
export function checkOverlay(
  overlay: Overlay,
  { stages, metrics, schemas, services }: CheckContext,
): string[] {
  const unsound = schemas(overlay);
  // The rules rely on the shapes that the schemas promise.
  if (unsound.length > 0) return unsound.map(toText);
  const problems = [
    ...checkAnnotations(overlay),
    ...checkServing(overlay),
    ...checkFeatures(overlay),
    ...checkEventing(overlay, stages),
    ...checkPods(overlay),
    ...checkReferences(overlay),
    ...checkConfig(overlay, stages),
    ...checkNetwork(overlay),
    ...checkReach(overlay),
    ...checkStores(overlay),
    ...checkCertificates(overlay),
    ...checkOperations(overlay, metrics),
  ];
  return [...problems.map(toText), ...checkOverlayWiring(overlay, stages, services)];
}

const toText = ({ rendered, path, message }: Problem): string => `${placeOf(rendered, path)}: ${message}`;

export type RenderedOverlay = Awaited<ReturnType<typeof renderOverlay>>;

/** Every overlay and variant below `root`. Throws as {@link renderOverlay} does. */
export async function renderAll(root: string): Promise<RenderedOverlay[]> {
  const names = [...overlaysIn(root, 'knative/overlays'), ...overlaysIn(root, 'knative/variants')];
  const rendered: RenderedOverlay[] = [];
  for (const name of names) rendered.push(await renderOverlay(root, name));
  return rendered;
}

/** Everything that is wrong with the overlays, the files that they are made of, and the func.yaml files. */
export function checkManifests(
  root: string,
  stages: readonly CheckedStage[],
  rendered: readonly RenderedOverlay[],
): string[] {
  const context = contextOf(root, stages, rendered);
  const used = new Set(rendered.flatMap(({ folders }) => folders));
  const found = rendered.flatMap((overlay) =>
    checkOverlay(overlay, context).map((problem) => ({ overlay, problem })),
  );
  const cpu = rendered.find(({ name }) => name === 'knative/overlays/cpu');
  return [
    ...checkFiles(root, used),
    ...found.reduce(byProblem, [] as string[]),
    ...(cpu ? checkFunctions(root, cpu) : []),
  ];
}

/** A fault of the base shows in every overlay: it is told once, with the first. */
function byProblem(told: string[], { overlay, problem }: { overlay: Overlay; problem: string }): string[] {
  return told.some((line) => line.startsWith(`${problem} (`))
    ? told
    : [...told, `${problem} (${overlay.name})`];
}

export function contextOf(
  root: string,
  stages: readonly CheckedStage[],
  overlays: readonly Overlay[],
): CheckContext {
  const services = overlays.flatMap(({ rendered }) =>
    rendered.filter(({ object }) => isKnativeService(object) && object.metadata.labels?.['knarr.dev/stage']),
  );
  const byName = new Map(services.map((service) => [service.object.metadata.name, service]));
  return { stages, metrics: metricsIn(root), schemas: createSchemas(), services: [...byName.values()] };
}

/** Every name in quotes that begins as our metrics do. */
function metricsIn(root: string): ReadonlySet<string> {
  const folder = join(root, 'functions');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
  );
  return new Set(
    files.flatMap((file) =>
      [...readFileSync(join(folder, file), 'utf8').matchAll(/['"`](knarr_[a-z0-9_]+)['"`]/g)].map(
        ([, name]) => name as string,
      ),
    ),
  );
}
