import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import pg from 'pg';
import { type Fields, type Overlay, ofKind } from '../manifests/model.ts';
import { type Finding, isAtLeast, ok, problem, warning } from './finding.ts';
import type { Cluster } from './kubectl.ts';

const QDRANT = '1.17';
const POSTGRES = '14';
const TIMEOUT_MS = 10_000;

/** Qdrant and PostgreSQL, asked themselves: whether they answer, their versions, and whether vectors have the length that is configured. */
export async function checkStores(cluster: Cluster, overlay: Overlay, namespace: string): Promise<Finding[]> {
  return [
    ...(await guarded('Qdrant', () => checkQdrant(cluster, overlay, namespace))),
    ...(await guarded('PostgreSQL', () => checkPostgres(cluster, namespace))),
  ];
}

async function guarded(what: string, check: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await check();
  } catch (thrown) {
    const { message } = thrown as Error;
    return [problem(what, message, 'Is it running, and does its Secret hold what it was made with?')];
  }
}

const decode = (secret: Fields | undefined, key: string): string | undefined =>
  secret?.data?.[key] && Buffer.from(secret.data[key], 'base64').toString();

async function checkQdrant(cluster: Cluster, overlay: Overlay, namespace: string): Promise<Finding[]> {
  const set = await cluster.get('statefulset', 'qdrant', namespace);
  if (!set) return [];
  const key = decode(await cluster.get('secret', 'qdrant', namespace), 'api-key');
  const ca = decode(await cluster.get('secret', 'qdrant-tls', namespace), 'ca.crt');
  return cluster.forward(namespace, 'pod/qdrant-0', 6333, async (port) => {
    const ask = (path: string) => getJson(port, path, { 'api-key': key ?? '' }, ca);
    const { version } = await ask('/');
    const findings = [
      isAtLeast(version, QDRANT)
        ? ok('Qdrant', version)
        : problem(
            'Qdrant',
            `${version} is older than ${QDRANT}`,
            'Upgrade it, one minor version after another.',
          ),
    ];
    const replicas: number = set.spec.replicas;
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

type Ask = (path: string) => Promise<Fields>;

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

function getJson(
  port: number,
  path: string,
  headers: Record<string, string>,
  ca: string | undefined,
): Promise<Fields> {
  const options = { host: '127.0.0.1', port, path, headers, timeout: TIMEOUT_MS };
  return new Promise((resolve, reject) => {
    // Its certificate is for the name that the stages know it by.
    const request =
      ca === undefined ? httpRequest(options) : httpsRequest({ ...options, ca, servername: 'qdrant' });
    request.once('timeout', () => request.destroy(new Error('it does not answer')));
    request.once('error', reject);
    request.once('response', async (response) => {
      const parts: Buffer[] = [];
      for await (const part of response) parts.push(part);
      const text = Buffer.concat(parts).toString();
      if (response.statusCode === 200) resolve(JSON.parse(text));
      else reject(new Error(`${path} answers ${response.statusCode}: ${text.slice(0, 200)}`));
    });
    request.end();
  });
}

async function checkPostgres(cluster: Cluster, namespace: string): Promise<Finding[]> {
  const uri = decode(await cluster.get('secret', 'postgres-app', namespace), 'uri');
  if (uri === undefined) return [];
  const { hostname, port } = new URL(uri);
  const [service = '', space = namespace] = hostname.split('.');
  const isInside =
    !hostname.includes('.') ||
    /\.svc(\.|$)/.test(hostname) ||
    (await cluster.get('service', service, space)) !== undefined;
  if (!isInside) return [await askPostgres(uri, hostname)];
  return cluster.forward(space, `service/${service}`, Number(port || 5432), async (local) => {
    const address = new URL(uri);
    address.hostname = '127.0.0.1';
    address.port = String(local);
    return [await askPostgres(address.href, hostname)];
  });
}

async function askPostgres(uri: string, host: string): Promise<Finding> {
  const client = new pg.Client({
    connectionString: uri,
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
  });
  try {
    await client.connect();
  } catch (thrown) {
    const reason = (thrown as Error).message;
    return warning(
      'PostgreSQL',
      `${host} cannot be reached from here: ${reason}`,
      'The stages may still reach it: their readiness says so.',
    );
  }
  try {
    const { rows } = await client.query('show server_version');
    const version: string = rows[0].server_version;
    if (isAtLeast(version, POSTGRES)) return ok('PostgreSQL', `${version} at ${host}`);
    return problem('PostgreSQL', `${version} is older than ${POSTGRES}`, 'Upgrade it.');
  } finally {
    await client.end();
  }
}
