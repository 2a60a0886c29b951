import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestPipeline, testPipeline } from './support/pipeline.ts';
import { dropCollections, qdrantMissing, testQdrant } from './support/qdrant.ts';
import { s3Missing, startS3, type TestS3 } from './support/s3.ts';

/** From acceptance through an update to deletion. */
async function live(knarr: TestPipeline): Promise<void> {
  const put = async (id: string, body: object) => {
    expect((await knarr.api('PUT', `/v1/documents/${id}`, body)).status).toBe(202);
    expect(await knarr.ended(id)).toMatchObject({ state: 'indexed' });
  };
  const ask = async (mode: string) =>
    (await knarr.api('POST', '/v1/rag', { question: 'What did the knarr carry?', mode })).body;

  await put('ship', { text: 'The knarr was a merchant ship. It carried cargo across the North Atlantic.' });
  for (const mode of ['dense', 'lexical', 'hybrid']) expect((await ask(mode)).answer).toContain('cargo');
  await put('ship', { text: 'The knarr carried wool and timber.' });
  for (const mode of ['dense', 'lexical', 'hybrid']) {
    const answer = await ask(mode);
    expect(answer.answer).toContain('wool');
    expect(JSON.stringify(answer)).not.toContain('cargo');
  }
  expect((await knarr.api('DELETE', '/v1/documents/ship')).status).toBeLessThan(300);
  await knarr.idle();
  expect((await ask('hybrid')).sources).toEqual([]);
}

/** Starts what a test needs, and ends it in reverse. */
function started(start: (closing: (close: () => Promise<void>) => void) => Promise<TestPipeline>) {
  const closers: (() => Promise<void>)[] = [];
  const parts = {} as { knarr: TestPipeline };
  beforeAll(async () => {
    parts.knarr = await start((close) => closers.push(close));
    closers.push(() => parts.knarr.close());
  }, 300_000);
  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  });
  return parts;
}

const s3 = s3Missing();
describe.skipIf(s3)(`originals on S3${s3 ? `: ${s3}` : ''}`, () => {
  let server: TestS3;
  const parts = started(async (closing) => {
    server = await startS3();
    closing(() => server.stop());
    await server.createBucket('pipeline');
    return testPipeline({
      S3_ENDPOINT: server.endpoint,
      S3_BUCKET: 'pipeline',
      AWS_ACCESS_KEY_ID: server.accessKeyId,
      AWS_SECRET_ACCESS_KEY: server.secretAccessKey,
    });
  });

  test('a document lives and goes', async () => {
    await live(parts.knarr);
    const listed = await (await server.request('GET', '/pipeline?list-type=2')).text();
    expect(listed).toMatch(/<Key>[^<]+\/[0-9a-f]{64}<\/Key>/);
  }, 120_000);
});

const qdrant = qdrantMissing();
describe.skipIf(qdrant)(`vectors in Qdrant${qdrant ? `: ${qdrant}` : ''}`, () => {
  const parts = started(async (closing) => {
    const server = await testQdrant();
    closing(() => server.stop());
    const prefix = `pipeline-${process.pid}`;
    closing(() => dropCollections(server.url, prefix));
    return testPipeline({ QDRANT_URL: server.url, KNARR_QDRANT_PREFIX: prefix });
  });

  test('a document lives and goes', () => live(parts.knarr), 120_000);
});
