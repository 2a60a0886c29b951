import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { freePort } from '../ports.ts';
import { onPath } from '../program.ts';

/** A network of its own, with namespaces in it that are reached from here and from each other, and nothing else. */
export interface TestNetwork {
  /** Makes a namespace; `address` is its own in the network. */
  add(name: string): { namespace: string; address: string };
  close(): void;
}

const ip = (...args: string[]) => spawnSync('ip', args, { encoding: 'utf8' });
function must(...args: string[]): void {
  const { status, stderr, error } = ip(...args);
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr || error?.message}`);
}

let missing: string | undefined | null = null;
/** Why there are no network namespaces; undefined when there are, or where `CI` is set: there the tests must run. */
export function namespacesMissing(): string | undefined {
  if (process.env.CI) return undefined;
  if (missing === null) {
    const name = `knarr-${process.pid}-probe`;
    const made = onPath('ip') && ip('netns', 'add', name).status === 0;
    if (made) ip('netns', 'delete', name);
    missing = made ? undefined : 'network namespaces take Linux, root and iproute2';
  }
  return missing;
}

/** Names carry the process that made them: what a killed run has left behind is removed by the next. */
export async function openNetwork(): Promise<TestNetwork> {
  removeAbandoned();
  const id = `${process.pid}-${(await freePort()).toString(36)}`;
  const short = id.replace('-', '').slice(-9);
  const bridge = `kb${short}`;
  const net = `10.${200 + (process.pid % 50)}.${Math.floor(Math.random() * 256)}`;
  const namespaces: string[] = [];
  // It carries frames between the namespaces and this process; nobody listens on it.
  must('link', 'add', bridge, 'type', 'bridge');
  const close = () => {
    for (const namespace of namespaces.splice(0)) ip('netns', 'delete', namespace);
    ip('link', 'delete', bridge);
  };
  try {
    must('address', 'add', `${net}.1/24`, 'dev', bridge);
    must('link', 'set', bridge, 'up');
  } catch (thrown) {
    close();
    throw thrown;
  }
  return {
    add(name) {
      const namespace = `knarr-${id}-${name}`;
      const index = namespaces.push(namespace) + 1;
      const address = `${net}.${index}`;
      const veth = `kv${short}${index}`;
      must('netns', 'add', namespace);
      must('link', 'add', veth, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
      must('link', 'set', veth, 'master', bridge, 'up');
      must('-n', namespace, 'link', 'set', 'lo', 'up');
      must('-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0');
      must('-n', namespace, 'link', 'set', 'eth0', 'up');
      return { namespace, address };
    },
    close,
  };
}

function removeAbandoned(): void {
  const isGone = (pid: string) => !existsSync(`/proc/${pid}`);
  for (const [, name = '', pid = ''] of ip('netns', 'list').stdout.matchAll(/^(knarr-(\d+)-\S+)/gm)) {
    if (isGone(pid)) ip('netns', 'delete', name);
  }
}
