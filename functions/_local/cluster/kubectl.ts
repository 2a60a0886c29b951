import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { KnarrError } from '../../_shared/errors.ts';
import type { Fields, KubernetesObject } from '../manifests/model.ts';

const run = promisify(execFile);
const MAX_BYTES = 64 * 1024 * 1024;

/** A cluster, by kubectl: whatever it is configured for is what is asked. */
export interface Cluster {
  /** Arguments that choose the cluster, as every command has them. */
  readonly options: readonly string[];
  /** What a command answers. Throws `unavailable` with kubectl's reason. */
  text(...args: string[]): Promise<string>;
  json<T = Fields>(...args: string[]): Promise<T>;
  /** One object, or undefined when it, or its kind, is not there. */
  get(resource: string, name: string, namespace?: string): Promise<KubernetesObject | undefined>;
  list(resource: string, namespace?: string): Promise<KubernetesObject[]>;
  /** Opens a way to a port of `target` (`pod/x`, `service/y`) while `use` runs with the local port. */
  forward<T>(namespace: string, target: string, port: number, use: (port: number) => Promise<T>): Promise<T>;
}

export function createCluster({ context }: { context?: string | undefined } = {}): Cluster {
  const options = context === undefined ? [] : ['--context', context];

  async function text(...args: string[]): Promise<string> {
    try {
      return (await run('kubectl', [...options, ...args], { maxBuffer: MAX_BYTES })).stdout;
    } catch (thrown) {
      const error = thrown as NodeJS.ErrnoException & { stderr?: string };
      const reason =
        error.code === 'ENOENT' ? 'kubectl is not installed.' : (error.stderr ?? error.message).trim();
      throw new KnarrError('unavailable', reason, { cause: thrown });
    }
  }
  const json = async <T>(...args: string[]) => JSON.parse(await text(...args, '--output', 'json')) as T;
  const within = (namespace?: string) => (namespace === undefined ? [] : ['--namespace', namespace]);
  /** Kinds that are not installed have no objects. */
  const absent = (thrown: unknown) => {
    if (/NotFound|doesn't have a resource type/.test((thrown as Error).message)) return undefined;
    throw thrown;
  };

  return {
    options,
    text,
    json,
    get: (resource, name, namespace) =>
      json<KubernetesObject>('get', resource, name, ...within(namespace)).catch(absent),
    async list(resource, namespace) {
      const found = await json<{ items: KubernetesObject[] }>('get', resource, ...within(namespace)).catch(
        absent,
      );
      return found?.items ?? [];
    },
    async forward(namespace, target, port, use) {
      const args = [...options, 'port-forward', '--namespace', namespace, target, `:${port}`];
      const child = spawn('kubectl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
      try {
        return await use(await localPort(child));
      } finally {
        child.kill();
      }
    },
  };
}

function localPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr?.on('data', (text) => {
      said += text;
    });
    child.once('error', reject);
    child.once('exit', () =>
      reject(new KnarrError('unavailable', said.trim() || 'kubectl port-forward has ended.')),
    );
    if (!child.stdout) return;
    createInterface(child.stdout).on('line', (line) => {
      const port = /Forwarding from 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (port) resolve(Number(port));
    });
  });
}
