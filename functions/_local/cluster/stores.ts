import type { Overlay } from '../manifests/model.ts';
import { checkBucket } from './bucket.ts';
import { type Finding, problem } from './finding.ts';
import type { Cluster } from './kubectl.ts';
import { checkPostgres } from './postgres.ts';
import { checkQdrant } from './qdrant.ts';

/** Qdrant, PostgreSQL and the bucket, asked themselves: whether they answer, their versions, and whether they are what is configured. */
export async function checkStores(cluster: Cluster, overlay: Overlay, namespace: string): Promise<Finding[]> {
  return [
    ...(await guarded('Qdrant', () => checkQdrant(cluster, overlay, namespace))),
    ...(await guarded('PostgreSQL', () => checkPostgres(cluster, namespace))),
    ...(await guarded('Bucket', () => checkBucket(cluster, overlay, namespace))),
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
