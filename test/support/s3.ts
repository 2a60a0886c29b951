import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AwsClient } from 'aws4fetch';
import { freePort } from './ports.ts';

/** A real S3 server (versitygw) for tests, over a temporary folder. */
export interface TestS3 {
  endpoint: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** Any request, signed: for what the store under test has no call. */
  request(method: string, path: string, body?: string): Promise<Response>;
  createBucket(name: string): Promise<void>;
  stop(): Promise<void>;
}

/** `KNARR_TEST_VERSITYGW`, or the program on PATH or where `go install` puts it. */
function binary(): string | undefined {
  const given = process.env.KNARR_TEST_VERSITYGW;
  if (given) return given;
  const { stdout } = spawnSync('go', ['env', 'GOPATH'], { encoding: 'utf8' });
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    ...(stdout ? [join(stdout.trim(), 'bin')] : []),
  ];
  return folders.map((folder) => join(folder, 'versitygw')).find((path) => existsSync(path));
}

/** Why there is no S3 server to test on; undefined when there is, or where `CI` is set: there the tests must run. */
export function s3Missing(): string | undefined {
  if (process.env.CI || binary()) return undefined;
  return 'no versitygw: go install github.com/versity/versitygw/cmd/versitygw@latest, or set KNARR_TEST_VERSITYGW';
}

export async function startS3(): Promise<TestS3> {
  const path = binary();
  if (!path) throw new Error('No versitygw: install it, or set KNARR_TEST_VERSITYGW.');
  const folder = mkdtempSync(join(tmpdir(), 'knarr-s3-'));
  const port = await freePort();
  const credentials = { accessKeyId: 'knarr-test', secretAccessKey: 'knarr-test-secret' };
  const [data, sidecar] = ['data', 'metadata'].map((name) => join(folder, name)) as [string, string];
  for (const made of [data, sidecar]) mkdirSync(made);
  // Metadata beside the data: not every temporary file system has extended attributes.
  const server = spawn(path, ['--port', `127.0.0.1:${port}`, 'posix', '--sidecar', sidecar, data], {
    env: {
      ...process.env,
      ROOT_ACCESS_KEY: credentials.accessKeyId,
      ROOT_SECRET_KEY: credentials.secretAccessKey,
    },
    stdio: 'ignore',
  });
  const endpoint = `http://127.0.0.1:${port}`;
  const client = new AwsClient({ ...credentials, service: 's3', region: 'us-east-1', retries: 0 });
  const request = (method: string, path: string, body?: string) =>
    client.fetch(endpoint + path, { method, ...(body !== undefined && { body }) });
  for (let attempt = 0; ; attempt++) {
    if (server.exitCode !== null) throw new Error(`versitygw ended with ${server.exitCode}.`);
    if (
      await request('GET', '/').then(
        ({ ok }) => ok,
        () => false,
      )
    )
      break;
    if (attempt >= 300) throw new Error('versitygw does not answer.');
    await sleep(100);
  }
  return {
    endpoint,
    ...credentials,
    request,
    async createBucket(name) {
      const { ok, status } = await request('PUT', `/${name}`);
      if (!ok) throw new Error(`The bucket was not made: ${status}.`);
    },
    async stop() {
      if (server.exitCode === null && server.kill()) await once(server, 'exit');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
