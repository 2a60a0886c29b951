import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { freePort } from '../../test/support/ports.ts';
import { readConfig } from '../_shared/config.ts';
import { type RunningStage, runStage } from '../_shared/runtime/run.ts';
import type { Logger } from '../_shared/stage.ts';
import { createMetrics } from '../_shared/telemetry/metrics.ts';
import { stage } from './index.ts';

/** The gateway over a real ledger while its bucket is away. */

const closers: (() => unknown)[] = [];
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

async function gatewayOver(endpoint: string): Promise<{ running: RunningStage; said: string[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'knarr-bucket-'));
  closers.push(() => rm(folder, { recursive: true, force: true }));
  const said: string[] = [];
  const note = (level: string) => (_: object, message: string) => void said.push(`${level}: ${message}`);
  const log = {
    debug: note('debug'),
    info: note('info'),
    warn: note('warn'),
    error: note('error'),
  } as Logger;
  log.child = () => log;
  const env = {
    KNARR_DATA_DIR: folder,
    S3_ENDPOINT: endpoint,
    S3_BUCKET: 'knarr',
    AWS_ACCESS_KEY_ID: 'id',
    AWS_SECRET_ACCESS_KEY: 'secret',
  };
  const deps = await stage.open(readConfig(stage.knobs, env), { log, metrics: createMetrics() });
  closers.push(() => stage.close?.(deps));
  return { running: runStage(stage as never, deps, { log }) as RunningStage, said };
}

const ask = (running: RunningStage, method: string, path: string, body?: unknown) =>
  running.fetch(
    new Request(`http://gateway${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }),
  );

test('while the bucket is away only documents are refused, with 503 and when to come back', async () => {
  const { running, said } = await gatewayOver(`http://127.0.0.1:${await freePort()}`);
  expect((await ask(running, 'GET', '/health/readiness')).status).toBe(200);
  expect((await ask(running, 'GET', '/v1/collections')).status).toBe(200);
  const refused = await ask(running, 'PUT', '/v1/documents/one', { text: 'A knarr is a ship.' });
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
  expect(await refused.json()).toMatchObject({
    code: 'unavailable',
    detail: expect.stringContaining('S3_ENDPOINT'),
  });
  // Nothing of it was accepted.
  expect((await ask(running, 'GET', '/v1/documents/one')).status).toBe(404);
  await expect
    .poll(() => said, { timeout: 10_000 })
    .toContain('warn: originals cannot be kept: documents are refused until they can');
});
