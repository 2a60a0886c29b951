import { readConfig } from '../../_shared/config.ts';
import { KnarrError } from '../../_shared/errors.ts';
import { originalKnobs } from '../../_shared/stores/originals/knobs.ts';
import { openOriginals } from '../../_shared/stores/originals/open.ts';
import type { Overlay } from '../manifests/model.ts';
import { type Finding, ok, problem, warning } from './finding.ts';
import type { Cluster } from './kubectl.ts';
import { isPlaceholder } from './placeholders.ts';
import { serviceAt, variablesOf } from './settings.ts';

const TIMEOUT_MS = 10_000;

/** The bucket of the originals, with the credentials of the stages: whether it can be written, as `/health/readiness` does not ask. */
export async function checkBucket(cluster: Cluster, overlay: Overlay, namespace: string): Promise<Finding[]> {
  const variables = await variablesOf(cluster, overlay, 'gateway', namespace);
  if (!variables) return [];
  const { S3_ENDPOINT: endpoint, S3_BUCKET: bucket = '', AWS_SECRET_ACCESS_KEY: secret } = variables;
  // What is missing or not filled in has been told before.
  if (!bucket || secret === undefined || isPlaceholder(endpoint ?? '')) return [];
  if (endpoint === undefined) return [await ask(variables, `${bucket} at AWS`)];
  const { hostname, port, protocol } = new URL(endpoint);
  const what = `${bucket} at ${hostname}`;
  const inside = await serviceAt(cluster, hostname, namespace);
  if (!inside) return [await ask(variables, what)];
  if (!(await cluster.get('service', inside.name, inside.namespace))) return [];
  const remote = Number(port || (protocol === 'https:' ? 443 : 80));
  return cluster.forward(inside.namespace, `service/${inside.name}`, remote, async (local) => [
    await ask({ ...variables, S3_ENDPOINT: `${protocol}//127.0.0.1:${local}` }, what),
  ]);
}

/** Leaves the empty object that stages leave, too: whether a bucket may be written shows in no other way. */
async function ask(variables: Record<string, string>, what: string): Promise<Finding> {
  const config = readConfig(originalKnobs, variables);
  try {
    await openOriginals({ ...config, dataDir: '', s3Timeout: TIMEOUT_MS }).ping();
    return ok('Bucket', `${what} can be written`);
  } catch (thrown) {
    const { code, message } = KnarrError.from(thrown);
    if (code !== 'unavailable')
      return problem('Bucket', message, 'Until then documents are refused; questions are answered.');
    return warning(
      'Bucket',
      `${what} cannot be reached from here: ${message}`,
      'The stages may still reach it: at its start gateway logs "originals cannot be kept" when it does not.',
    );
  }
}
