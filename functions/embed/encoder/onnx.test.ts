import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asset } from '../../_shared/assets.ts';
import { loadTokenizer } from '../../_shared/models/tokenizer.ts';
import { createOnnxEncoder } from './onnx.ts';
import type { Encoder } from './port.ts';

interface Golden {
  max_tokens: number;
  cases: { text: string; ids: number[]; fp32: number[] }[];
}
const folder = asset('models/all-MiniLM-L6-v2');
const golden = JSON.parse(readFileSync(`${folder}/golden.json`, 'utf8')) as Golden;
const options = { folder, workers: 1, threads: 1, tokenBudget: 512, queueTokens: 20_000, cacheBytes: 0 };
const live = new AbortController().signal;
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
const cosine = (a: ArrayLike<number>, b: ArrayLike<number>) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));

let encoder: Encoder;
beforeAll(async () => {
  encoder = await createOnnxEncoder(options);
});
afterAll(() => encoder.close());

test('token ids of every golden text are those of the reference', () => {
  const tokenizer = loadTokenizer(folder);
  for (const { text, ids } of golden.cases) {
    const own = tokenizer.encode(text).ids;
    const cut = own.length > golden.max_tokens ? [...own.slice(0, golden.max_tokens - 1), own.at(-1)] : own;
    expect(cut).toEqual(ids);
  }
});

// ONNX Runtime's int8 kernels differ between processors (cosine to the recorded int8 vectors: 1.0 on one, 0.96 on
// another, both equally near fp32), so the fp32 reference is what every machine is held to.
test('vectors of every golden text are near the fp32 reference', async () => {
  const { vectors } = await encoder.encode(
    golden.cases.map(({ text }) => text),
    { kind: 'passage', signal: live },
  );
  const cosines = golden.cases.map(({ fp32 }, index) => cosine(vectors[index] ?? [], fp32));
  expect(Math.min(...cosines)).toBeGreaterThanOrEqual(0.96);
  expect(cosines.reduce((sum, value) => sum + value, 0) / cosines.length).toBeGreaterThanOrEqual(0.985);
});

test("a text's vector does not depend on the texts beside it", async () => {
  const texts = golden.cases.map(({ text }) => text);
  const together = await encoder.encode(texts, { kind: 'passage', signal: live });
  for (const [index, text] of texts.entries()) {
    const alone = await encoder.encode([text], { kind: 'passage', signal: live });
    expect(cosine(alone.vectors[0] ?? [], together.vectors[index] ?? [])).toBeGreaterThan(0.99999);
  }
});

test('a text longer than the model reads is reported', async () => {
  const { tokens, truncated } = await encoder.encode(['short', 'long '.repeat(400)], {
    kind: 'passage',
    signal: live,
  });
  expect(truncated).toEqual([1]);
  expect(tokens).toEqual([3, 402]);
});

test('work that nobody waits for any more is dropped', async () => {
  const expired = encoder.encode(['late'], { kind: 'query', signal: live, deadline: Date.now() - 1 });
  await expect(expired).rejects.toMatchObject({ code: 'deadline_exceeded' });
  const gone = new AbortController();
  const abandoned = encoder.encode(['gone'], { kind: 'query', signal: gone.signal });
  gone.abort();
  await expect(abandoned).rejects.toMatchObject({ code: 'cancelled' });
});

test('a full queue turns callers away at once and serves the others', async () => {
  const texts = Array.from({ length: 200 }, (_, index) => `${index} `.repeat(300));
  const outcomes = await Promise.allSettled(
    texts.map((text) =>
      encoder.encode([text], { kind: 'passage', signal: live, deadline: Date.now() + 60_000 }),
    ),
  );
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.every(({ reason }) => reason.code === 'too_many_requests' && reason.retryAfter > 0)).toBe(
    true,
  );
  expect(outcomes.length - refused.length).toBeGreaterThan(50);
});

test('a model folder without a model is refused with its name', async () => {
  await expect(createOnnxEncoder({ ...options, folder: '/nowhere' })).rejects.toThrow('/nowhere');
});
