import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';

export interface Options {
  overlay: string;
  /** Where everything goes; removed at the end unless `keep`. */
  namespace: string;
  keep: boolean;
  context: string | undefined;
  /** Where the ingress listens; undefined: the name in the Service's URL is one that resolves here. */
  gateway: string | undefined;
  /** Registry and folder of the stages' images, instead of the overlay's. */
  images: string | undefined;
  /** Other images, by the name that the overlay has for them. */
  image: ReadonlyMap<string, string>;
  /** Run for each stage: `{image}`, `{stage}` and `{folder}` (the built function) are filled in. */
  load: string | undefined;
  only: readonly string[];
  seed: number;
  /** Questions that the warm figures rest on. */
  questions: number;
  /** Pods that are killed under load, at least. */
  kills: number;
  /** Documents of one round of that load. */
  documents: number;
  /** Cold starts of each Service that are measured. */
  cold: number;
}

export const USAGE = `npm run test:cluster -- [options]     the cluster is kubectl's current one (KUBECONFIG)

  --overlay <name>         one of knative/overlays or knative/variants, or a folder (local)
  --namespace <name>       made, and removed at the end (knarr-test-<random>)
  --context <name>         another of kubectl's clusters
  --gateway <url>          where the ingress listens, when the names of Services do not resolve here
  --images <prefix>        the stages' images are <prefix>/<stage>, with the overlay's tag
  --image <name>=<image>   another image for one that the overlay names, e.g. postgres=registry.example.com/postgres:17.6
  --load <command>         run for each stage to make and load its image; {image}, {stage} and {folder} are filled in
  --only <check>           only this check; can be repeated
  --keep                   leave everything in the cluster
  --questions <n>  --cold <n>  --kills <n>  --documents <n>  --seed <n>     how much is measured`;

export function readOptions(args: readonly string[]): Options {
  const text = { type: 'string' } as const;
  const many = { type: 'string', multiple: true } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      overlay: { ...text, default: 'local' },
      namespace: text,
      context: text,
      gateway: text,
      images: text,
      image: many,
      load: text,
      only: many,
      keep: { type: 'boolean', default: false },
      seed: text,
      questions: { ...text, default: '200' },
      kills: { ...text, default: '20' },
      documents: { ...text, default: '60' },
      cold: { ...text, default: '3' },
    },
  });
  const { overlay, context, gateway, images, load, keep, only = [], image = [] } = values;
  return {
    overlay,
    context,
    gateway,
    images,
    load,
    keep,
    only,
    namespace: values.namespace ?? `knarr-test-${randomBytes(3).toString('hex')}`,
    image: new Map(image.map(pair)),
    seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : count('seed', values.seed),
    questions: count('questions', values.questions),
    kills: count('kills', values.kills),
    documents: count('documents', values.documents),
    cold: count('cold', values.cold),
  };
}

function pair(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new Error(`--image ${text}: expected <name>=<image>`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function count(name: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`--${name} ${text}: expected a whole number`);
  return Number(text);
}
