import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { baseOf } from '../../_shared/stores/vectors/qdrant/client.ts';
import { type Fields, type Overlay, ofKind } from '../manifests/model.ts';
import { type Finding, isAtLeast, ok, problem, warning } from './finding.ts';
import type { Cluster } from './kubectl.ts';
import { isPlaceholder } from './placeholders.ts';
import { decode, serviceAt, variablesOf } from './settings.ts';

const QDRANT = '1.17';
const TIMEOUT_MS = 10_000;

/** Gives the JSON of a path. */
type Ask = (path: string) => Promise<Fields>;

/** Qdrant: the overlay's own, or the one at the address that `search` is given. */
export async function checkQdrant(cluster: Cluster, overlay: Overlay, namespace: string): Promise<Finding[]> {
  const set = await cluster.get('statefulset', 'qdrant', namespace);
  if (set) return checkOwn(cluster, overlay, namespace, set.spec.replicas);
  const variables = await variablesOf(cluster, overlay, 'search', namespace);
  if (!variables) return [];
  const { QDRANT_URL: url, QDRANT_API_KEY: key } = variables;
  if (url === undefined) return [ok('Qdrant', 'not used: vectors are in PostgreSQL')];
  // What is not filled in has been told before.
  if (isPlaceholder(url)) return [];
  const base = baseOf(url);
  const inside = await serviceAt(cluster, base.hostname, namespace);
  if (!inside) return checkForeign(base, key, base.host, overlay);
  // Of the overlay, and not deployed yet.
  if (!(await cluster.get('service', inside.name, inside.namespace))) return [];
  const remote = Number(base.port || (base.protocol === 'https:' ? 443 : 80));
  return cluster.forward(inside.namespace, `service/${inside.name}`, remote, (port) => {
    const address = new URL(base);
    address.host = `127.0.0.1:${port}`;
    return checkForeign(address, key, base.host, overlay, base.hostname);
  });
}

async function checkOwn(
  cluster: Cluster,
  overlay: Overlay,
  namespace: string,
  replicas: number,
): Promise<Finding[]> {
  const key = decode(await cluster.get('secret', 'qdrant', namespace), 'api-key');
  const ca = decode(await cluster.get('secret', 'qdrant-tls', namespace), 'ca.crt');
  return cluster.forward(namespace, 'pod/qdrant-0', 6333, async (port) => {
    const base = new URL(`${ca === undefined ? 'http' : 'https'}://127.0.0.1:${port}`);
    // Its certificate is for the name that the stages know it by.
    const ask: Ask = (path) => getJson(base, path, key, { ca, servername: 'qdrant' });
    const findings = [await checkVersion(ask)];
    if (replicas > 1) {
      const { peers = {} } = (await ask('/cluster')).result;
      const count = Object.keys(peers).length;
      findings.push(
        count === replicas
          ? ok('Qdrant cluster', `${count} nodes`)
          : problem(
              'Qdrant cluster',
              `${count} of ${replicas} nodes`,
              `kubectl get pods --namespace ${namespace} --selector app.kubernetes.io/name=qdrant`,
            ),
      );
    }
    return [...findings, ...(await checkReplicas(ask)), ...(await checkDimensions(ask, overlay))];
  });
}

/** One that somebody else runs: this machine may not reach it although the stages do. */
async function checkForeign(
  base: URL,
  key: string | undefined,
  host: string,
  overlay: Overlay,
  servername?: string,
): Promise<Finding[]> {
  const ask: Ask = (path) => getJson(base, path, key, { servername });
  try {
    return [
      await checkVersion(ask, ` at ${host}`),
      ...(await checkReplicas(ask)),
      ...(await checkDimensions(ask, overlay)),
    ];
  } catch (thrown) {
    if (thrown instanceof Refused)
      return [problem('Qdrant', `${host}: ${thrown.message}`, 'Does the Secret qdrant hold its key?')];
    return [
      warning(
        'Qdrant',
        `${host} cannot be reached from here: ${(thrown as Error).message}`,
        'The stages may still reach it: their readiness says so. Else run this from where it can be reached.',
      ),
    ];
  }
}

async function checkVersion(ask: Ask, where = ''): Promise<Finding> {
  const { version } = await ask('/');
  if (typeof version !== 'string') throw new Refused('it does not say that it is Qdrant');
  if (isAtLeast(version, QDRANT)) return ok('Qdrant', `${version}${where}`);
  return problem(
    'Qdrant',
    `${version}${where} is older than ${QDRANT}`,
    'Upgrade it, one minor version after another.',
  );
}

/** Each shard of each collection must have the copies that the collection asks for, and all of them in use. */
export async function checkReplicas(ask: Ask): Promise<Finding[]> {
  const { collections } = (await ask('/collections')).result;
  const findings: Finding[] = [];
  for (const { name } of collections as { name: string }[]) {
    const path = `/collections/${encodeURIComponent(name)}`;
    const wanted: number = (await ask(path)).result.config.params.replication_factor ?? 1;
    const { local_shards: local, remote_shards: remote } = (await ask(`${path}/cluster`)).result;
    const active = new Map<number, number>();
    for (const { shard_id, state } of [...local, ...remote] as { shard_id: number; state: string }[])
      active.set(shard_id, (active.get(shard_id) ?? 0) + (state === 'Active' ? 1 : 0));
    const fewest = Math.min(...active.values());
    findings.push(
      fewest >= wanted
        ? ok('Qdrant copies', `${name}: ${wanted} of each shard`)
        : problem(
            'Qdrant copies',
            `${name} has a shard with ${fewest} of ${wanted} copies`,
            `Wait for a node that comes back; a copy that was never made is made by POST ${path}/cluster with replicate_shard.`,
          ),
    );
  }
  return findings;
}

/** Collections are named after their index generation: prefix.model.dimensions.chunking.hash. */
async function checkDimensions(ask: Ask, overlay: Overlay): Promise<Finding[]> {
  const settings = ofKind(overlay, 'v1/ConfigMap').find(
    ({ object }) => object.data?.['embed-dimensions'] !== undefined,
  );
  const { 'embed-model': model, 'embed-dimensions': dimensions } = settings?.object.data ?? {};
  if (model === undefined) return [];
  const { collections } = (await ask('/collections')).result;
  const findings: Finding[] = [];
  for (const { name } of collections as { name: string }[]) {
    const { params } = (await ask(`/collections/${encodeURIComponent(name)}`)).result.config;
    const size = params.vectors?.dense?.size;
    if (!name.includes(`.${model}.`)) continue;
    findings.push(
      String(size) === dimensions
        ? ok('Dimensions', `${name}: ${size}`)
        : problem(
            'Dimensions',
            `${name} has ${size}, but ${model} is configured with ${dimensions}`,
            'Set embed-dimensions to what the model gives, or another embed-model.',
          ),
    );
  }
  return findings;
}

/** It answered, and not with what was asked for. */
class Refused extends Error {}

function getJson(
  base: URL,
  path: string,
  key: string | undefined,
  tls: { ca?: string | undefined; servername?: string | undefined },
): Promise<Fields> {
  const url = new URL(base.href.replace(/\/+$/, '') + path);
  const options = { headers: { 'api-key': key ?? '' }, timeout: TIMEOUT_MS };
  return new Promise((resolve, reject) => {
    const request =
      url.protocol === 'http:' ? httpRequest(url, options) : httpsRequest(url, { ...options, ...tls });
    request.once('timeout', () => request.destroy(new Error('it does not answer')));
    request.once('error', reject);
    request.once('response', async (response) => {
      const parts: Buffer[] = [];
      for await (const part of response) parts.push(part);
      const text = Buffer.concat(parts).toString();
      const refused = () =>
        reject(new Refused(`${path} answers ${response.statusCode}: ${text.slice(0, 200)}`));
      if (response.statusCode !== 200) return refused();
      try {
        resolve(JSON.parse(text));
      } catch {
        refused();
      }
    });
    request.end();
  });
}
