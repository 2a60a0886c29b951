import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { contentHash } from '../../ids.ts';
import { type OriginalStore, originalKey } from './port.ts';

/** What every store of originals must do. */
export function originalStoreContract(
  open: () => Promise<{ store: OriginalStore; close: () => Promise<void> }>,
): void {
  let store: OriginalStore;
  let close: () => Promise<void>;
  beforeAll(async () => {
    ({ store, close } = await open());
  });
  afterAll(() => close());

  const sample = (bytes: number) => {
    const content = new Uint8Array(randomBytes(bytes));
    return { content, hash: contentHash(content) };
  };

  test.each([0, 1, 5_000_000])('%i bytes come back as they went in', async (bytes) => {
    const { content, hash } = sample(bytes);
    await store.put(originalKey('acme', hash), content);
    expect(Buffer.from((await store.get(originalKey('acme', hash))) ?? [1]).equals(content)).toBe(true);
  });

  test('putting again, many at once, is a no-op', async () => {
    const { content, hash } = sample(100_000);
    const key = originalKey('acme', hash);
    await Promise.all(Array.from({ length: 8 }, () => store.put(key, content)));
    await store.put(key, content);
    expect(Buffer.from((await store.get(key)) ?? []).equals(content)).toBe(true);
  });

  test('what was deleted, or never put, is not there', async () => {
    const { content, hash } = sample(10);
    const key = originalKey('acme', hash);
    expect(await store.get(key)).toBeUndefined();
    await store.delete(key);
    await store.put(key, content);
    await store.delete(key);
    expect(await store.get(key)).toBeUndefined();
  });

  test('tenants do not see each other, whatever they are called', async () => {
    const { content, hash } = sample(10);
    for (const tenant of ['..', '.', 'a/b', 'ä', 'x\\y', 'a b', '%2E']) {
      await store.put(originalKey(tenant, hash), content);
      expect(await store.get(originalKey(`${tenant}2`, hash))).toBeUndefined();
      await store.delete(originalKey(tenant, hash));
    }
  });

  test.each([
    '',
    'acme',
    '../x',
    `../${'a'.repeat(64)}`,
    `acme/../${'a'.repeat(64)}`,
    `a\0/${'a'.repeat(64)}`,
    `acme/${'a'.repeat(64)}/x`,
  ])('the key %j is refused', async (key) => {
    await expect(store.put(key, new Uint8Array(1))).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(store.get(key)).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(store.delete(key)).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('it answers a ping', () => store.ping());
}
