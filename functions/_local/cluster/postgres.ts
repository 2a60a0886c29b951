import pg from 'pg';
import { type Finding, isAtLeast, ok, problem, warning } from './finding.ts';
import type { Cluster } from './kubectl.ts';
import { decode, serviceAt } from './settings.ts';

const POSTGRES = '14';
const TIMEOUT_MS = 10_000;

/** PostgreSQL at the address of the Secret `postgres-app`. */
export async function checkPostgres(cluster: Cluster, namespace: string): Promise<Finding[]> {
  const uri = decode(await cluster.get('secret', 'postgres-app', namespace), 'uri');
  if (uri === undefined) return [];
  const { hostname, port } = new URL(uri);
  const inside = await serviceAt(cluster, hostname, namespace);
  if (!inside) return [await askPostgres(uri, hostname)];
  return cluster.forward(inside.namespace, `service/${inside.name}`, Number(port || 5432), async (local) => {
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
