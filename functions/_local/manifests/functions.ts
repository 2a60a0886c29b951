import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { type Fields, isKnativeService, type Overlay, showPath, valueAt } from './model.ts';
import type { EnvVar } from './pods.ts';
import { quantity } from './values.ts';

const text = z.string().min(1);
const Quantity = z.string().refine((value) => quantity(value) !== undefined, 'not a quantity');
const AUTOSCALING = /^autoscaling\.knative\.dev\//;

/** func.yaml, schema 0.36.0: the fields that may be used here (knative/func, schema/func_yaml-schema.json). */
const FuncYaml = z.strictObject({
  specVersion: z.literal('0.36.0'),
  name: z.string().regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'not a function name'),
  runtime: z.enum(['node', 'typescript']),
  // Without it func takes the function for one that was never made.
  created: z.iso.datetime(),
  build: z.strictObject({
    builder: z.enum(['pack', 's2i']),
    buildEnvs: z.array(z.strictObject({ name: text, value: z.string() })).optional(),
    builderImages: z.record(z.string(), text).optional(),
  }),
  run: z
    .strictObject({
      envs: z.array(z.strictObject({ name: text, value: z.string() })).optional(),
      volumes: z
        .array(
          z.strictObject({
            path: z.string().startsWith('/'),
            secret: text.optional(),
            configMap: text.optional(),
            emptyDir: z.strictObject({ medium: text.optional(), sizeLimit: Quantity.optional() }).optional(),
            persistentVolumeClaim: z
              .strictObject({ claimName: text, readOnly: z.boolean().optional() })
              .optional(),
          }),
        )
        .optional(),
    })
    .optional(),
  deploy: z.strictObject({
    serviceAccountName: text.optional(),
    healthEndpoints: z.strictObject({
      liveness: z.literal('/health/liveness'),
      readiness: z.literal('/health/readiness'),
    }),
    labels: z.array(z.strictObject({ key: text, value: z.string() })).optional(),
    // func puts them on the Service as well, where Knative refuses autoscaling ones.
    annotations: z
      .record(
        z
          .string()
          .refine((name) => !AUTOSCALING.test(name), 'Knative refuses autoscaling annotations from func'),
        z.string(),
      )
      .optional(),
    options: z.strictObject({
      scale: z.strictObject({
        min: z.int().min(0),
        max: z.int().min(0),
        metric: z.enum(['concurrency', 'rps']),
        target: z.number().min(0.01),
        utilization: z.number().min(1).max(100),
      }),
      resources: z.strictObject({
        requests: z.strictObject({ cpu: Quantity, memory: Quantity }),
        limits: z.strictObject({
          cpu: Quantity.optional(),
          memory: Quantity,
          concurrency: z.int().min(0).max(1000),
        }),
      }),
    }),
  }),
});
type FuncYaml = z.infer<typeof FuncYaml>;

/** Paths of all func.yaml in the repository; the root's is the whole pipeline as one function. */
export function functionFiles(root: string): string[] {
  const folders = readdirSync(join(root, 'functions')).filter((name) => !name.startsWith('_'));
  const files = folders.flatMap((name) =>
    ['func.yaml', 'func.api.yaml'].map((file) => `functions/${name}/${file}`),
  );
  return [...files, 'func.yaml'].filter((file) => existsSync(join(root, file)));
}

/**
 * Each func.yaml is valid, and says what the overlay says of the Service of the same name, as far as func can say it: a
 * stage behaves alike, whichever way it is deployed.
 */
export function checkFunctions(root: string, overlay: Overlay): string[] {
  return functionFiles(root).flatMap((file) => {
    const lines = new LineCounter();
    const document = parseDocument(readFileSync(join(root, file), 'utf8'), { lineCounter: lines });
    const at = (path: readonly PropertyKey[]) => {
      for (let depth = path.length; depth > 0; depth--) {
        const node = document.getIn(path.slice(0, depth), true) as
          | { range?: [number, number, number] }
          | undefined;
        if (node?.range) return `${file}:${lines.linePos(node.range[0]).line}`;
      }
      return `${file}:1`;
    };
    const parsed = FuncYaml.safeParse(document.toJS());
    if (!parsed.success) {
      return parsed.error.issues.map((issue) => {
        const unknown = issue.code === 'unrecognized_keys' ? issue.keys : [];
        const path = [...issue.path, ...unknown.slice(0, 1)];
        const said =
          issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
        return `${at(path)}: ${showPath(path as string[])}: ${unknown.length > 0 ? 'func.yaml has no such field' : said}`;
      });
    }
    const service = overlay.rendered.find(
      ({ object }) => isKnativeService(object) && object.metadata.name === parsed.data.name,
    );
    if (!service) return [];
    return differences(parsed.data, service.object).map(
      ([path, message]) => `${at(path)}: ${showPath(path)}: ${message} in ${overlay.name}`,
    );
  });
}

type Path = (string | number)[];

function differences(func: FuncYaml, { metadata, spec }: Fields): [Path, string][] {
  const found: [Path, string][] = [];
  const { template } = spec;
  const [container] = template.spec.containers;
  const annotations: Record<string, string> = template.metadata.annotations;
  const same = (path: Path, expected: unknown) => {
    const value = valueAt(func, path);
    if (String(value) !== String(expected)) found.push([path, `is ${value}, but ${expected}`]);
  };
  const scale = ['deploy', 'options', 'scale'];
  const names = {
    min: 'min-scale',
    max: 'max-scale',
    metric: 'metric',
    target: 'target',
    utilization: 'target-utilization-percentage',
  };
  for (const [field, name] of Object.entries(names))
    same([...scale, field], annotations[`autoscaling.knative.dev/${name}`]);
  const resources = ['deploy', 'options', 'resources'];
  same([...resources, 'limits', 'concurrency'], template.spec.containerConcurrency);
  same([...resources, 'limits', 'memory'], container.resources.limits.memory);
  same([...resources, 'limits', 'cpu'], container.resources.limits.cpu);
  same([...resources, 'requests', 'cpu'], container.resources.requests.cpu);
  same([...resources, 'requests', 'memory'], container.resources.requests.memory);
  same(['deploy', 'serviceAccountName'], template.spec.serviceAccountName);

  const compare = (path: Path, own: Record<string, string>, other: Record<string, string>) => {
    for (const name of new Set([...Object.keys(own), ...Object.keys(other)])) {
      if (own[name] !== other[name])
        found.push([path, `${name} is ${own[name] ?? 'not set'}, but ${other[name] ?? 'not set'}`]);
    }
  };
  const labels = Object.fromEntries((func.deploy.labels ?? []).map(({ key, value }) => [key, value]));
  compare(['deploy', 'labels'], labels, metadata.labels);
  const plain = Object.entries(annotations).filter(([name]) => !AUTOSCALING.test(name));
  compare(['deploy', 'annotations'], func.deploy.annotations ?? {}, {
    ...metadata.annotations,
    ...Object.fromEntries(plain),
  });
  const envs = Object.fromEntries((func.run?.envs ?? []).map(({ name, value }) => [name, value]));
  compare(
    ['run', 'envs'],
    envs,
    Object.fromEntries((container.env as EnvVar[]).map((one) => [one.name, funcValue(one)])),
  );
  const paths = (func.run?.volumes ?? []).map(({ path }) => path).sort();
  const mounts = (container.volumeMounts as { mountPath: string }[]).map(({ mountPath }) => mountPath).sort();
  if (!isDeepStrictEqual(paths, mounts)) found.push([['run', 'volumes'], `mount ${paths}, but ${mounts}`]);
  return found;
}

/** As func writes references; generated ConfigMaps have a hash at the end of their names. */
function funcValue({ value, valueFrom }: EnvVar): string {
  const { configMapKeyRef: map, secretKeyRef: secret } = valueFrom ?? {};
  if (map) return `{{ configMap:${map.name.replace(/-[a-z0-9]{10}$/, '')}:${map.key} }}`;
  if (secret) return `{{ secret:${secret.name}:${secret.key} }}`;
  return value ?? '';
}
