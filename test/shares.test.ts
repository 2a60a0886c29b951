import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Pipeline, startPipeline } from '../functions/_local/run/pipeline.ts';
import { send, type Tenant } from './faults/prober.ts';
import { createTenants } from './faults/tenants.ts';

/** What one process does for several tenants: each question is some work of the same few threads. */

let folder: string;
let pipeline: Pipeline;
let tenants: Tenant[];
/** Texts that are being embedded, and how each is let go on. */
const embedding: { text: string; goOn: () => void }[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'knarr-shares-'));
  tenants = await createTenants(2, { KNARR_DATA_DIR: folder });
  pipeline = await startPipeline(
    { PORT: '0', LOG_LEVEL: 'silent', KNARR_AUTH: 'keys', KNARR_DATA_DIR: folder, KNARR_EMBED_WORKERS: '1' },
    {
      parts: ({ encoder, ...parts }) => ({
        ...parts,
        encoder: {
          ...encoder,
          async encode(texts, options) {
            await new Promise<void>((goOn) => embedding.push({ text: texts.join(), goOn }));
            return encoder.encode(texts, options);
          },
        },
      }),
    },
  );
}, 120_000);
afterAll(async () => {
  await pipeline.close();
  await rm(folder, { recursive: true, force: true });
});

test('a tenant with many questions at work does not hold up the one of another', async () => {
  const [noisy, quiet] = tenants as [Tenant, Tenant];
  const ask = (tenant: Tenant, question: string) =>
    send(pipeline.url, tenant, 'POST', '/v1/embeddings', { input: question });
  const soon = <T>(look: () => T) => expect.poll(look, { timeout: 30_000 });
  const turns = availableParallelism();

  const many = Array.from({ length: 4 * turns }, (_, n) => ask(noisy, `noisy ${n}`));
  await soon(() => embedding.length).toBe(turns);
  const one = ask(quiet, 'quiet');
  // It may still be on its way when the first turn is free, but not much longer.
  for (let n = 0; n < turns && !embedding.some(({ text }) => text === 'quiet'); n++) {
    embedding[n]?.goOn();
    await soon(() => embedding.length).toBe(turns + n + 1);
  }
  expect(embedding.map(({ text }) => text)).toContain('quiet');
  let done = false;
  const all = Promise.all([...many, one]).finally(() => {
    done = true;
  });
  while (!done) {
    for (const { goOn } of embedding) goOn();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  for (const answer of await all) expect(answer?.status).toBe(200);
}, 120_000);
