import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Finding } from '../functions/_local/cluster/finding.ts';
import { createCluster } from '../functions/_local/cluster/kubectl.ts';
import { checkStores } from '../functions/_local/cluster/stores.ts';
import type { KubernetesObject, Overlay } from '../functions/_local/manifests/model.ts';
import { hasKubectl, renderOverlay } from '../functions/_local/manifests/render.ts';
import { startApiServer } from './support/api-server.ts';
import { freePort } from './support/ports.ts';
import { qdrantProgramMissing, startQdrant } from './support/qdrant.ts';
import { s3Missing, startS3 } from './support/s3.ts';

/** knarr doctor and the stores that somebody else runs: found by what the deployed Services are given, by the real kubectl. */

const root = fileURLToPath(new URL('..', import.meta.url));
const closers: (() => unknown)[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const close of closers.splice(0).reverse()) await close();
});

const named = (apiVersion: string, kind: string, name: string, more: object): KubernetesObject => ({
  apiVersion,
  kind,
  metadata: { name, namespace: 'knarr' },
  ...more,
});
const secret = (name: string, data: Record<string, string>) =>
  named('v1', 'Secret', name, {
    data: Object.fromEntries(
      Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')]),
    ),
  });
const service = (name: string, env: object[]) =>
  named('serving.knative.dev/v1', 'Service', name, {
    spec: { template: { spec: { containers: [{ name, env }] } } },
  });
const from = (name: string, kind: 'secret' | 'configMap', holder: string, key: string) => ({
  name,
  valueFrom: { [`${kind}KeyRef`]: { name: holder, key } },
});

let external: Promise<Overlay> | undefined;
async function found(...objects: KubernetesObject[]): Promise<Finding[]> {
  const server = await startApiServer('v1.33.1', objects);
  closers.push(() => server.close());
  vi.stubEnv('KUBECONFIG', server.kubeconfig);
  external ??= renderOverlay(root, 'knative/variants/external-stores');
  return checkStores(createCluster(), await external, 'knarr');
}

const qdrantAt = (url: string, key = 'key') => [
  service('search', [
    from('QDRANT_URL', 'configMap', 'knarr-abc', 'qdrant-url'),
    from('QDRANT_API_KEY', 'secret', 'qdrant', 'api-key'),
  ]),
  named('v1', 'ConfigMap', 'knarr-abc', { data: { 'qdrant-url': url } }),
  secret('qdrant', { 'api-key': key }),
];
const bucketAt = (endpoint: string, credentials = { accessKeyId: 'id', secretAccessKey: 'secret' }) => [
  service('gateway', [
    { name: 'S3_ENDPOINT', value: endpoint },
    { name: 'S3_BUCKET', value: 'originals' },
    from('AWS_ACCESS_KEY_ID', 'secret', 's3', 'access-key-id'),
    from('AWS_SECRET_ACCESS_KEY', 'secret', 's3', 'secret-access-key'),
  ]),
  secret('s3', {
    'access-key-id': credentials.accessKeyId,
    'secret-access-key': credentials.secretAccessKey,
  }),
];

describe.skipIf(!hasKubectl() && process.env.CI !== 'true')('stores', () => {
  test('before anything is filled in or deployed there is nobody to ask', async () => {
    expect(await found(named('v1', 'ConfigMap', 'any', {}))).toEqual([]);
  });

  test('a Qdrant and a bucket that cannot be reached from here: said, with how to go on', async () => {
    const [qdrant, bucket] = [await freePort(), await freePort()];
    const findings = await found(
      ...qdrantAt(`http://127.0.0.1:${qdrant}`),
      ...bucketAt(`http://127.0.0.1:${bucket}`),
    );
    expect(findings).toMatchObject([
      {
        what: 'Qdrant',
        status: 'warning',
        detail: expect.stringContaining(`127.0.0.1:${qdrant} cannot be reached from here`),
        fix: expect.stringContaining('readiness'),
      },
      {
        what: 'Bucket',
        status: 'warning',
        detail: expect.stringContaining('originals at 127.0.0.1 cannot be reached from here'),
        fix: expect.stringContaining('originals cannot be kept'),
      },
    ]);
  });

  test('without Qdrant vectors are in PostgreSQL', async () => {
    expect(await found(service('search', []))).toMatchObject([
      { what: 'Qdrant', status: 'ok', detail: 'not used: vectors are in PostgreSQL' },
    ]);
  });

  test.skipIf(qdrantProgramMissing())(
    'a Qdrant that somebody else runs, by its address and key',
    async () => {
      const qdrant = await startQdrant({ QDRANT__SERVICE__API_KEY: 'its key' });
      closers.push(() => qdrant.stop());
      const { host } = new URL(qdrant.url);
      expect(await found(...qdrantAt(qdrant.url, 'its key'))).toMatchObject([
        { what: 'Qdrant', status: 'ok', detail: expect.stringMatching(`^1\\.\\d+\\.\\d+ at ${host}$`) },
      ]);
      expect(await found(...qdrantAt(qdrant.url, 'another'))).toMatchObject([
        { what: 'Qdrant', status: 'problem', fix: expect.stringContaining('Secret qdrant') },
      ]);
    },
  );

  test.skipIf(s3Missing())('a bucket that is there, or not, and credentials that are none', async () => {
    const s3 = await startS3();
    closers.push(() => s3.stop());
    const bucket = async (credentials = s3) =>
      (await found(...bucketAt(s3.endpoint, credentials))).filter(({ what }) => what === 'Bucket');
    expect(await bucket()).toMatchObject([
      { status: 'problem', detail: expect.stringContaining('There is no bucket originals') },
    ]);
    await s3.createBucket('originals');
    expect(await bucket()).toMatchObject([{ status: 'ok', detail: 'originals at 127.0.0.1 can be written' }]);
    expect(await bucket({ ...s3, secretAccessKey: 'wrong' })).toMatchObject([
      { status: 'problem', detail: expect.stringContaining('refuses the credentials') },
    ]);
  });
});
