import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../../functions/_shared/config.ts';
import { storeKnobs } from '../../functions/_shared/stores/knobs.ts';
import { freePort } from './ports.ts';

/** A Qdrant server for tests. One of our own is started on loopback in a temporary folder. */
export interface TestQdrant {
  url: string;
  /** The end of a process without a chance to write anything down. */
  kill(): Promise<void>;
  /** Again with the same data, after a kill. */
  start(): Promise<void>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

/** Why there is no server to test on. There is no package of Qdrant to install, so not even `CI` demands it. */
export function qdrantMissing(): string | undefined {
  return process.env.QDRANT_URL || process.env.QDRANT_BIN
    ? undefined
    : 'neither QDRANT_URL (a server for tests) nor QDRANT_BIN (the program) is set';
}
export const qdrantProgramMissing = (): string | undefined =>
  process.env.QDRANT_BIN ? undefined : 'QDRANT_BIN (the program) is not set';

/** The server of `QDRANT_URL`, or one started for the test. */
export async function testQdrant(): Promise<TestQdrant> {
  const url = process.env.QDRANT_URL;
  if (!url) return startQdrant();
  const none = async () => {};
  return { url, kill: none, start: none, stop: none };
}

/** Starts the program of `QDRANT_BIN` with settings and arguments of the caller's. */
export async function startQdrant(
  settings: Record<string, string> = {},
  args: readonly string[] = [],
): Promise<TestQdrant> {
  const folder = mkdtempSync(join(tmpdir(), 'knarr-qdrant-'));
  const port = await freePort();
  const scheme = settings.QDRANT__SERVICE__ENABLE_TLS ? 'https' : 'http';
  const url = `${scheme}://127.0.0.1:${port}`;
  let server: ChildProcess | undefined;

  async function start(): Promise<void> {
    const process_ = spawn(process.env.QDRANT_BIN ?? 'qdrant', ['--disable-telemetry', ...args], {
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        QDRANT__SERVICE__HOST: '127.0.0.1',
        QDRANT__SERVICE__HTTP_PORT: String(port),
        QDRANT__SERVICE__GRPC_PORT: String(await freePort()),
        QDRANT__LOG_LEVEL: 'WARN',
        ...settings,
      },
      stdio: 'ignore',
    });
    server = process_;
    for (let attempt = 0; ; attempt++) {
      if (process_.exitCode !== null) throw new Error(`Qdrant ended with ${process_.exitCode}.`);
      // Any answer will do: with TLS its certificate is not known here.
      const ready = await fetch(`${url}/readyz`).then(
        ({ ok }) => ok,
        (error) => /certificate/i.test(String(error.cause)),
      );
      if (ready) return;
      if (attempt >= 600) throw new Error('Qdrant does not answer.');
      await sleep(100);
    }
  }
  async function end(signal: NodeJS.Signals): Promise<void> {
    if (server && server.exitCode === null && server.signalCode === null && server.kill(signal)) {
      await once(server, 'exit');
    }
  }

  await start();
  return {
    url,
    start,
    kill: () => end('SIGKILL'),
    async stop() {
      await end('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The adapter's settings for a server, with collections that no other test has. */
export function qdrantSettings(url: string, env: Record<string, string> = {}) {
  const prefix = `test-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const config = readConfig(storeKnobs, { QDRANT_URL: url, KNARR_QDRANT_PREFIX: prefix, ...env });
  return { ...config, qdrantUrl: url };
}

/** Removes the collections that a test has made. */
export async function dropCollections(url: string, prefix: string): Promise<void> {
  const listed = (await (await fetch(`${url}/collections`)).json()) as {
    result: { collections: { name: string }[] };
  };
  for (const { name } of listed.result.collections) {
    if (name.startsWith(`${prefix}.`))
      await fetch(`${url}/collections/${encodeURIComponent(name)}`, { method: 'DELETE' });
  }
}
