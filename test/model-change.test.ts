import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asset } from '../functions/_shared/assets.ts';
import { type TestPipeline, testPipeline } from './support/pipeline.ts';
import { saga } from './support/saga.ts';

let folder: string;
let knarr: TestPipeline;
let env: Record<string, string>;

/** The shipped model under another name, whose vectors are the first token's: of another model in all that matters here. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'knarr-model-'));
  const modelDir = join(folder, 'first-token');
  await cp(asset('models/all-MiniLM-L6-v2'), modelDir, { recursive: true });
  const pooling = { word_embedding_dimension: 384, pooling_mode_cls_token: true };
  await writeFile(join(modelDir, '1_Pooling/config.json'), JSON.stringify(pooling));
  env = { KNARR_EMBED_MODEL: 'first-token', KNARR_EMBED_MODEL_DIR: modelDir, KNARR_EMBED_WORKERS: '1' };
}, 60_000);
afterAll(async () => {
  await knarr?.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const put = async (id: string, text: string) => {
  const { status } = await knarr.api('PUT', `/v1/documents/${id}`, { text, content_type: 'text/markdown' });
  expect(status).toBe(202);
  return knarr.ended(id);
};
const ask = (question: string) => knarr.api('POST', '/v1/rag', { question, budget_ms: 20_000 });
const reconcile = async () => (await knarr.api('POST', '/v1/admin/reconcile', { repair: true })).body;

test('a collection moves to another embedding model by a rebuild, and loses nothing', async () => {
  const KNARR_DATA_DIR = join(folder, 'data');
  knarr = await testPipeline({ KNARR_DATA_DIR });
  await put('ship', 'The knarr carried wool and timber.');
  expect(await put('saga', saga(30))).toMatchObject({ state: 'indexed', chunks: 30 });
  await knarr.close();

  knarr = await testPipeline({ ...env, KNARR_DATA_DIR });
  const refused = await ask('What did the knarr carry?');
  expect(refused.status).toBeGreaterThanOrEqual(400);
  expect(refused.body).toMatchObject({ code: 'model_mismatch', detail: /rebuild/ });
  expect(await put('late', 'Lindisfarne is a tidal island.')).toMatchObject({ state: 'dead_lettered' });

  const rebuilt = await knarr.api('POST', '/v1/admin/rebuild', { collection: 'default' });
  expect(rebuilt).toMatchObject({ status: 202, body: { rebuilding: 2 } });
  const { status, body } = await knarr.api('POST', '/v1/search', { query: 'ship number 29' });
  expect(status).toBe(200);
  expect(body.degraded).toContain('search.rebuilding');
  expect(await knarr.ended('saga')).toMatchObject({ state: 'indexed', version: 1, indexed_chunks: 30 });
  expect(await knarr.ended('ship')).toMatchObject({ state: 'indexed', version: 1 });
  const replayed = await knarr.api('POST', '/v1/dead-letters:replay', { code: 'model_mismatch' });
  expect(replayed.body).toEqual({ replayed: 1 });
  expect(await knarr.ended('late')).toMatchObject({ state: 'indexed' });

  const { body: answer } = await ask('What did the knarr carry?');
  expect(answer).toMatchObject({ answered: true, degraded: [], answer: expect.stringContaining('wool') });
  expect((await ask('What is Lindisfarne?')).body.answer).toContain('island');
  const { collections } = (await knarr.api('GET', '/v1/collections')).body;
  expect(collections).toEqual([
    {
      collection: 'default',
      documents: 3,
      rebuilding: 0,
      generation: expect.stringMatching(/^first-token\./),
    },
  ]);

  expect(await reconcile()).toMatchObject({
    points: 63,
    phantom: 31,
    missing: 0,
    duplicate: 0,
    wrong_hash: 0,
  });
  expect(await reconcile()).toMatchObject({ points: 32, chunks: 32, phantom: 0, missing: 0 });
}, 240_000);
