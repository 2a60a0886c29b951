import { expect, test } from 'vitest';
import { cached } from './cache.ts';
import type { Encoder } from './port.ts';

const signal = new AbortController().signal;
const passage = { kind: 'passage' as const, tenant: 'acme', signal };
const query = { kind: 'query' as const, tenant: 'acme', signal };

/** Tells each text's length and kind, and notes what it was asked. */
function lengths() {
  const asked: string[][] = [];
  const encoder: Encoder = {
    model: 'lengths',
    dimensions: 2,
    async encode(texts, { kind }) {
      asked.push([...texts]);
      const all = new Float32Array(texts.flatMap((text) => [text.length, kind === 'query' ? 1 : 0]));
      return {
        vectors: texts.map((_, index) => all.subarray(index * 2, index * 2 + 2)),
        tokens: texts.map((text) => text.length),
        truncated: texts.flatMap((text, index) => (text.length > 3 ? [index] : [])),
      };
    },
    ready: async () => {},
    close: async () => {},
  };
  return { encoder, asked };
}

test('known texts are not encoded again, in any mixture', async () => {
  const { encoder, asked } = lengths();
  const cache = cached(encoder, 1e6);
  await cache.encode(['a', 'long one'], passage);
  const mixed = await cache.encode(['bb', 'long one', 'a', 'bb'], passage);
  expect(asked).toEqual([['a', 'long one'], ['bb']]);
  expect(mixed.vectors.map(([length]) => length)).toEqual([2, 8, 1, 2]);
  expect(mixed.tokens).toEqual([2, 8, 1, 2]);
  expect(mixed.truncated).toEqual([1]);
});

test('a question and a passage of the same words are two texts', async () => {
  const { encoder } = lengths();
  const cache = cached(encoder, 1e6);
  expect((await cache.encode(['same'], query)).vectors[0]?.[1]).toBe(1);
  expect((await cache.encode(['same'], passage)).vectors[0]?.[1]).toBe(0);
});

test('the bytes are bounded, and passages do not displace questions', async () => {
  const { encoder, asked } = lengths();
  const cache = cached(encoder, 4000);
  await cache.encode(['question'], query);
  await cache.encode(
    Array.from({ length: 1000 }, (_, i) => `passage ${i}`),
    passage,
  );
  asked.length = 0;
  await cache.encode(['question'], query);
  expect(asked).toEqual([]);
  await cache.encode(['passage 0'], passage);
  expect(asked).toEqual([['passage 0']]);
});

test("one tenant's texts make another's no faster", async () => {
  const { encoder, asked } = lengths();
  const cache = cached(encoder, 1e6);
  const secret = 'what somebody asked, and somebody else would like to know that they did';
  for (const tenant of ['acme', 'other', 'acme']) await cache.encode([secret, 'short'], { ...query, tenant });
  expect(asked).toEqual([
    [secret, 'short'],
    [secret, 'short'],
  ]);
});

test('a remembered vector keeps nothing of its batch alive', async () => {
  const { encoder } = lengths();
  const { vectors } = await cached(encoder, 1e6).encode(['a', 'bb'], passage);
  expect(vectors[1]?.buffer.byteLength).toBe(8);
});
