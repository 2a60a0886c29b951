import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KubernetesObject } from '../../functions/_local/manifests/model.ts';

export interface ApiServer {
  /** For KUBECONFIG. */
  kubeconfig: string;
  /** Paths that were asked for, with their methods. */
  requests: string[];
  close(): Promise<void>;
}

const plural = (kind: string) => `${kind.toLowerCase().replace(/s$/, 'se')}s`.replace(/ys$/, 'ies');
const OF_CLUSTER = new Set(['Node', 'StorageClass', 'CustomResourceDefinition', 'Namespace']);

/**
 * As much of a Kubernetes API server as kubectl needs to read these objects: discovery of their kinds, one object, lists.
 * Nothing can be written.
 */
export async function startApiServer(
  version: string,
  objects: readonly KubernetesObject[],
): Promise<ApiServer> {
  const requests: string[] = [];
  const groups = groupBy(objects);
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://x');
    requests.push(`${request.method} ${pathname}`);
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const found = request.method === 'GET' ? answerOf(pathname) : undefined;
    if (found) return answer(200, found);
    answer(404, {
      kind: 'Status',
      apiVersion: 'v1',
      status: 'Failure',
      reason: 'NotFound',
      message: `${pathname} not found`,
      code: 404,
    });
  });

  function answerOf(path: string): unknown {
    if (path === '/version') return { major: '1', minor: '33', gitVersion: version };
    if (path === '/api') return { kind: 'APIVersions', versions: ['v1'] };
    if (path === '/apis')
      return {
        kind: 'APIGroupList',
        apiVersion: 'v1',
        groups: [...groups.keys()].filter((name) => name.includes('/')).map(groupOf),
      };
    const match =
      /^\/(?:api\/(v1)|apis\/([^/]+\/[^/]+))(?:\/namespaces\/([^/]+)(?=\/))?(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(
        path,
      );
    const apiVersion = match?.[1] ?? match?.[2];
    const own = apiVersion && groups.get(apiVersion);
    if (!match || !own) return undefined;
    const [, , , namespace, resource, name] = match;
    if (resource === undefined)
      return {
        kind: 'APIResourceList',
        apiVersion: 'v1',
        groupVersion: apiVersion,
        resources: resourcesOf(own),
      };
    const items = own.filter(
      ({ kind, metadata }) =>
        plural(kind) === resource && (namespace === undefined || metadata.namespace === namespace),
    );
    if (name !== undefined) return items.find(({ metadata }) => metadata.name === name);
    return { kind: 'List', apiVersion: 'v1', metadata: {}, items };
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const folder = mkdtempSync(join(tmpdir(), 'knarr-kube-'));
  const kubeconfig = join(folder, 'config');
  const named = { name: 'test' };
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [{ ...named, cluster: { server: url } }],
      users: [{ ...named, user: {} }],
      contexts: [{ ...named, context: { cluster: 'test', user: 'test' } }],
    }),
  );
  return {
    kubeconfig,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function groupBy(objects: readonly KubernetesObject[]): Map<string, KubernetesObject[]> {
  const groups = new Map<string, KubernetesObject[]>();
  for (const object of objects)
    groups.set(object.apiVersion, [...(groups.get(object.apiVersion) ?? []), object]);
  return groups;
}

function groupOf(groupVersion: string) {
  const [name, version] = groupVersion.split('/');
  const preferred = { groupVersion, version };
  return { name, versions: [preferred], preferredVersion: preferred };
}

const resourcesOf = (objects: readonly KubernetesObject[]) =>
  [...new Set(objects.map(({ kind }) => kind))].map((kind) => ({
    name: plural(kind),
    singularName: kind.toLowerCase(),
    kind,
    namespaced: !OF_CLUSTER.has(kind),
    verbs: ['get', 'list'],
  }));
