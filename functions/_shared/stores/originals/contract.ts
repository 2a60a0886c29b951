import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { contentHash } from '../../ids.ts';
import { type OriginalStore, originalKey } from './port.ts';

/** A store to test, and how to spoil what it holds behind its back. */
export interface OriginalsUnderTest {
  store: OriginalStore;
  overwrite(key: string, content: string): Promise<void>;
  close(): Promise<void>;
}

/** What every store of originals must do. */
export function originalStoreContract(open: () => Promise<OriginalsUnderTest>): void {
  let store: OriginalStore;
  let opened: OriginalsUnderTest;
  beforeAll(async () => {
    opened = await open();
    store = opened.store;
  });
  afterAll(() => opened?.close());

  const sample = (bytes: number) => {
    const content = new Uint8Array(randomBytes(bytes));
    return { content, hash: contentHash(content) };
  };

  test.each([0, 1, 5_000_000, 20_000_001])('%i bytes come back as they went in', async (bytes) => {
    const { content, hash } = sample(bytes);
    const key = originalKey('acme', hash);
    await store.put(key, content);
    expect(Buffer.from((await store.get(key)) ?? [1]).equals(content)).toBe(true);
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

  test('the same content under two keys is two originals; keys of earlier releases are as good', async () => {
    const { content, hash } = sample(100);
    const keys = [originalKey('acme', hash), originalKey('acme', hash), `acme/${hash}`];
    for (const key of keys) await store.put(key, content);
    for (const key of keys) {
      expect(Buffer.from((await store.get(key)) ?? []).equals(content)).toBe(true);
      await store.delete(key);
      expect(await store.get(key)).toBeUndefined();
    }
  });

  test('tenants do not see each other, whatever they are called', async () => {
    const { content, hash } = sample(10);
    const keyOf = (tenant: string) => originalKey(tenant, hash).replace(/~[0-9a-f]{16}/, '~0123456789abcdef');
    for (const tenant of [
      '..',
      '.',
      'a/b',
      'ä',
      'x\\y',
      'a b',
      '%2E',
      "it's (the) *best*!",
      'a+b',
      'a&b?c#d',
    ]) {
      await store.put(keyOf(tenant), content);
      expect(await store.get(keyOf(`${tenant}2`))).toBeUndefined();
      expect(Buffer.from((await store.get(keyOf(tenant))) ?? []).equals(content)).toBe(true);
      await store.delete(keyOf(tenant));
    }
  });

  test('another content than was put is not given out', async () => {
    const { content, hash } = sample(1000);
    const key = originalKey('acme', hash);
    await store.put(key, content);
    for (const other of ['', 'x'.repeat(1000), 'x'.repeat(2000)]) {
      await opened.overwrite(key, other);
      await expect(store.get(key)).rejects.toMatchObject({ code: 'upstream_failed' });
    }
  });

  test('what was aborted does not go on', async () => {
    const { content, hash } = sample(20_000_000);
    const key = originalKey('acme', hash);
    await store.put(key, content);
    await expect(store.get(key, AbortSignal.abort())).rejects.toThrow();
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
