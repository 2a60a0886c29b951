import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.ts';
import { closerOf, onPath, startProgram, until } from './program.ts';

/** A RabbitMQ server for tests, on loopback, with its data in a temporary folder. */
export interface TestRabbit {
  /** `amqp://user:password@host:port/` */
  url: string;
  /** A call of the management API below `/api`; throws when it is refused. */
  manage(method: string, path: string, body?: unknown): Promise<any>;
  stop(): Promise<void>;
}

/** Where Debian puts the server's own script; the one on PATH changes the account. */
const SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server';

/** Why there is no RabbitMQ to test on; undefined when there is, or where `CI` is set: there the tests must run. */
export function rabbitMissing(): string | undefined {
  if (process.env.CI || existsSync(SERVER)) return undefined;
  return `there is no ${SERVER}: install rabbitmq-server`;
}

export async function startRabbit(): Promise<TestRabbit> {
  const folder = mkdtempSync(join(tmpdir(), 'knarr-rabbitmq-'));
  const closers: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const stop = closerOf(closers);
  const [amqp, http, dist, epmd] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  // Erlang's name server, which would otherwise stay behind as a daemon.
  const names = startProgram(onPath('epmd') ?? 'epmd', ['-address', '127.0.0.1', '-port', String(epmd)]);
  closers.push(() => names.stop());
  const server = startProgram(SERVER, [], {
    cwd: folder,
    env: {
      HOME: folder,
      // Erlang replaces the shell, so that the process is the server itself.
      RUNNING_UNDER_SYSTEMD: 'true',
      RABBITMQ_NODENAME: `knarr-${amqp}@localhost`,
      RABBITMQ_MNESIA_BASE: join(folder, 'data'),
      RABBITMQ_LOG_BASE: join(folder, 'log'),
      RABBITMQ_DIST_PORT: String(dist),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
        '-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none',
      ERL_EPMD_ADDRESS: '127.0.0.1',
      ERL_EPMD_PORT: String(epmd),
      RABBITMQ_ENABLED_PLUGINS_FILE: file('enabled_plugins', '[rabbitmq_management].'),
      RABBITMQ_CONFIG_FILE: file(
        'rabbitmq.conf',
        `listeners.tcp.default = 127.0.0.1:${amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = ${http}
# A disk of less than the default's free space would block every publisher.
disk_free_limit.absolute = 50MB
`,
      ),
    },
  });
  closers.push(() => server.stop('SIGKILL'));
  const manage: TestRabbit['manage'] = async (method, path, body) => {
    const response = await fetch(`http://127.0.0.1:${http}/api${path}`, {
      method,
      headers: { authorization: `Basic ${btoa('guest:guest')}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`RabbitMQ answers ${response.status} to ${method} ${path}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  };
  try {
    const ready = () =>
      manage('GET', '/overview').then(
        () => true,
        () => false,
      );
    await Promise.race([
      until('RabbitMQ does not answer.', ready, 120_000),
      // It says nothing of the kind: this waits for its end.
      server.said(/(?!)/),
    ]);
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  return { url: `amqp://guest:guest@127.0.0.1:${amqp}/`, manage, stop };
}
