import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../../functions/_local/cluster/kubectl.ts';
import type { Fields } from '../../functions/_local/manifests/model.ts';

/** Opens a way to what `url` names inside the cluster while `use` runs; it gets the same path on a local port. */
export function throughCluster<T>(
  cluster: Cluster,
  url: string,
  namespace: string,
  use: (url: string) => Promise<T>,
): Promise<T> {
  const inside = new URL(url);
  const [service = '', space = namespace] = inside.hostname.split('.');
  const port = Number(inside.port) || DEFAULT_PORTS[inside.protocol] || 80;
  return cluster.forward(space, `service/${service}`, port, (local) => {
    inside.hostname = '127.0.0.1';
    inside.port = String(local);
    return use(inside.href);
  });
}
const DEFAULT_PORTS: Record<string, number> = { 'postgresql:': 5432, 'postgres:': 5432, 'https:': 443 };

/** Asks again and again until `check` gives something. Throws `what` when it takes longer than `seconds`. */
export async function eventually<T>(
  what: string,
  seconds: number,
  check: () => Promise<T | undefined | false>,
  pauseMs = 100,
): Promise<T> {
  const until = performance.now() + seconds * 1000;
  for (;;) {
    const found = await check();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > until) throw new Error(`Not within ${seconds} s: ${what}`);
    await sleep(pauseMs);
  }
}

export interface PodView {
  name: string;
  service: string;
  revision: string;
}

/** Pods of stages that take requests, or are about to. */
export async function stagePods(cluster: Cluster, namespace: string): Promise<PodView[]> {
  const pods = await cluster.list('pods', namespace);
  return pods
    .filter(({ metadata, status }) => {
      const isEnding = (metadata as Fields).deletionTimestamp !== undefined;
      return !isEnding && (status.phase === 'Running' || status.phase === 'Pending');
    })
    .flatMap(({ metadata: { name, labels = {} } }) => {
      const service = labels['serving.knative.dev/service'];
      const revision = labels['serving.knative.dev/revision'];
      return service === undefined || revision === undefined ? [] : [{ name, service, revision }];
    });
}
