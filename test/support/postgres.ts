import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from './ports.ts';

/** A PostgreSQL server for tests; `url` names an empty database of its own. */
export interface TestPostgres {
  url: string;
  /** The same database by a socket in the file system, which reaches into every network namespace; of a server started here. */
  socketUrl: string;
  /** Keeps the database as it is now; the returned function puts it back. Nobody may be connected, either time. */
  snapshot(): Promise<() => Promise<void>>;
  /** Stops the server's processes (SIGSTOP) until the returned function is called. Only of a server started here. */
  freeze(): () => void;
  stop(): Promise<void>;
}

/** Where Debian and its kin put the server's programs. */
const DEBIAN = '/usr/lib/postgresql';

function binaries(): string | undefined {
  if (!existsSync(DEBIAN)) return undefined;
  const versions = readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a));
  return versions
    .map((version) => join(DEBIAN, version, 'bin'))
    .find((path) => existsSync(join(path, 'initdb')));
}

/**
 * Why there is no server to test on, or undefined when there is. Tests skip with that reason, except where `CI` is
 * set: there they must run.
 */
export function postgresMissing(): string | undefined {
  if (process.env.CI || process.env.KNARR_TEST_POSTGRES_URL || binaries()) return undefined;
  return `neither KNARR_TEST_POSTGRES_URL nor ${DEBIAN}/*/bin is there`;
}

/** An empty database on the server of `KNARR_TEST_POSTGRES_URL`, or on one started for it in a temporary folder. */
export async function startPostgres(): Promise<TestPostgres> {
  const given = process.env.KNARR_TEST_POSTGRES_URL;
  if (given) return databaseOn(given, {}, async () => {});
  const bin = binaries();
  if (!bin) throw new Error(`No PostgreSQL server: install postgresql, or set KNARR_TEST_POSTGRES_URL.`);
  const folder = mkdtempSync(join(tmpdir(), 'knarr-postgres-'));
  const account = unprivileged(folder);
  const data = join(folder, 'data');
  const made = spawnSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'knarr', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'],
    { ...account, cwd: folder, encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`);
  const port = await freePort();
  const server = spawn(
    join(bin, 'postgres'),
    [
      '-D',
      data,
      '-p',
      String(port),
      '-c',
      'listen_addresses=127.0.0.1',
      '-c',
      `unix_socket_directories=${folder}`,
    ],
    { ...account, cwd: folder, stdio: 'ignore' },
  );
  return databaseOn(`postgres://knarr@127.0.0.1:${port}/postgres`, { pid: server.pid, folder }, async () => {
    // SIGINT: PostgreSQL's fast shutdown.
    if (server.exitCode === null && server.kill('SIGINT')) await once(server, 'exit');
    rmSync(folder, { recursive: true, force: true });
  });
}

/** The server refuses to run as root; root hands the folder to Debian's account for it. */
function unprivileged(folder: string): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout);
  const account = { uid: id('-u'), gid: id('-g') };
  chownSync(folder, account.uid, account.gid);
  return account;
}

async function databaseOn(
  server: string,
  { pid, folder }: { pid?: number | undefined; folder?: string },
  stop: () => Promise<void>,
): Promise<TestPostgres> {
  const name = `knarr_test_${process.pid}_${Math.random().toString(36).slice(2)}`;
  const run = async (statement: string) => {
    const client = new pg.Client({ connectionString: server });
    await client.connect();
    await client.query(statement).finally(() => client.end());
  };
  await patiently(() => run(`create database ${name}`));
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    socketUrl: folder === undefined ? url.href : `${url.href}?host=${folder}`,
    async snapshot() {
      await run(`create database ${name}_kept template ${name}`);
      return async () => {
        await run(`drop database ${name} with (force)`);
        await run(`alter database ${name}_kept rename to ${name}`);
      };
    },
    freeze() {
      if (pid === undefined) throw new Error('This server is not ours to stop.');
      const pids = [pid, ...childrenOf(pid)];
      for (const one of pids) process.kill(one, 'SIGSTOP');
      return () => {
        for (const one of pids) process.kill(one, 'SIGCONT');
      };
    },
    async stop() {
      await run(`drop database if exists ${name} with (force)`);
      await run(`drop database if exists ${name}_kept with (force)`);
      await stop();
    },
  };
}

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

/** While the server starts it refuses connections. */
async function patiently(work: () => Promise<void>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work();
    } catch (thrown) {
      if (attempt >= 300) throw thrown;
      await sleep(100);
    }
  }
}
