import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FaultyProxy, faultyProxy } from '../../../../../test/support/faulty-proxy.ts';
import { freePort } from '../../../../../test/support/ports.ts';
import { s3Missing, startS3, type TestS3 } from '../../../../../test/support/s3.ts';
import { contentHash } from '../../../ids.ts';
import { originalStoreContract } from '../contract.ts';
import { originalKey } from '../port.ts';
import { type S3OriginalsOptions, s3Originals } from './store.ts';

const optionsFor = (server: TestS3, bucket: string): S3OriginalsOptions => ({
  endpoint: server.endpoint,
  bucket,
  region: 'us-east-1',
  accessKeyId: server.accessKeyId,
  secretAccessKey: server.secretAccessKey,
  prefix: 'originals/',
  timeoutMs: 30_000,
  maxBytes: 64_000_000,
});

const missing = s3Missing();
describe.skipIf(missing)(`with a server${missing ? `: ${missing}` : ''}`, () => {
  originalStoreContract(async () => {
    const server = await startS3();
    await server.createBucket('contract');
    return {
      store: s3Originals(optionsFor(server, 'contract')),
      async overwrite(key, content) {
        const path = key.split('/').map(encodeURIComponent).join('/');
        expect((await server.request('PUT', `/contract/originals/${path}`, content)).status).toBe(200);
      },
      close: () => server.stop(),
    };
  });

  describe('when things are not as they should be', () => {
    let server: TestS3;
    let options: S3OriginalsOptions;
    beforeAll(async () => {
      server = await startS3();
      await server.createBucket('faults');
      options = optionsFor(server, 'faults');
    });
    afterAll(() => server?.stop());

    const large = new Uint8Array(randomBytes(20_000_000));
    const largeKey = originalKey('acme', contentHash(large));
    const small = Buffer.from('small');
    const smallKey = originalKey('acme', contentHash(small));

    test.each([
      ['a bucket that is not there', { bucket: 'nowhere' }, 'S3_BUCKET'],
      ['an unknown key', { accessKeyId: 'stranger' }, 'AWS_ACCESS_KEY_ID'],
      ['a wrong secret', { secretAccessKey: 'wrong' }, 'AWS_SECRET_ACCESS_KEY'],
      ['another region', { region: 'eu-west-1' }, 'AWS_REGION'],
    ])('%s is said in words', async (_, change, knob) => {
      const store = s3Originals({ ...options, ...change });
      const expected = { code: 'upstream_failed', message: expect.stringContaining(knob) };
      await expect(store.ping()).rejects.toMatchObject(expected);
      await expect(store.put(smallKey, small)).rejects.toMatchObject({ code: 'upstream_failed' });
      await expect(store.get(smallKey)).rejects.toMatchObject(expected);
    });

    test('a server that is not there is unavailable', async () => {
      const store = s3Originals({ ...options, endpoint: `http://127.0.0.1:${await freePort()}` });
      const expected = { code: 'unavailable', message: expect.stringContaining('S3_ENDPOINT') };
      await expect(store.ping()).rejects.toMatchObject(expected);
      await expect(store.put(smallKey, small)).rejects.toMatchObject(expected);
      await expect(store.put(largeKey, large)).rejects.toMatchObject(expected);
      await expect(store.get(smallKey)).rejects.toMatchObject(expected);
    });

    test('a server that does not answer is waited for no longer than it may take', async () => {
      const silent = await faultyProxy(server.endpoint);
      silent.plan.push('silence', 'silence');
      const endpoint = silent.url;
      const store = s3Originals({ ...options, endpoint, timeoutMs: 50 });
      await expect(store.get(smallKey)).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining('too long'),
      });
      const waiting = s3Originals({ ...options, endpoint }).get(smallKey, AbortSignal.timeout(50));
      await expect(waiting).rejects.toMatchObject({ code: 'deadline_exceeded' });
      await silent.close();
    });

    test('nothing larger than allowed is written or read', async () => {
      await s3Originals(options).put(largeKey, large);
      const store = s3Originals({ ...options, maxBytes: 1000 });
      await expect(store.get(largeKey)).rejects.toMatchObject({ code: 'too_large' });
      await expect(store.put(largeKey, large)).rejects.toMatchObject({ code: 'too_large' });
    });

    test('content that is not what its key says is refused', async () => {
      await expect(s3Originals(options).put(smallKey, Buffer.from('other'))).rejects.toMatchObject({
        code: 'upstream_failed',
      });
      expect(await s3Originals(options).get(smallKey)).toBeUndefined();
    });

    describe('through a faulty network', () => {
      let proxy: FaultyProxy;
      beforeAll(async () => {
        proxy = await faultyProxy(server.endpoint);
      });
      afterAll(() => proxy?.close());
      const through = () => s3Originals({ ...options, endpoint: proxy.url, prefix: `${Math.random()}/` });

      test('refusals and broken connections are got over', async () => {
        const store = through();
        for (const fault of ['503', '429', '500', 'reset'] as const) {
          proxy.plan.push(fault, fault);
          await store.put(smallKey, small);
          proxy.plan.push(fault, fault);
          expect(Buffer.from((await store.get(smallKey)) ?? [])).toEqual(small);
          proxy.plan.push(fault);
          await store.delete(smallKey);
        }
        expect(proxy.plan).toEqual([]);
      });

      test('an upload in parts whose parts and end fail arrives whole, once', async () => {
        const store = through();
        // HEAD, the beginning, three parts, the end: the end reaches the server, its answer is lost.
        proxy.plan.push(undefined, '503', undefined, 'reset', '500', undefined, undefined, undefined, 'lost');
        await store.put(largeKey, large);
        expect(Buffer.from((await store.get(largeKey)) ?? []).equals(large)).toBe(true);
        expect(await unfinishedUploads()).toBe(0);
      });

      test('an upload that fails for good leaves nothing behind', async () => {
        const store = through();
        // HEAD and the beginning pass, then nothing does until the upload is given up.
        proxy.plan.push(undefined, undefined, ...Array<'500'>(12).fill('500'));
        await expect(store.put(largeKey, large)).rejects.toMatchObject({ code: 'unavailable' });
        proxy.plan.length = 0;
        expect(await store.get(largeKey)).toBeUndefined();
        expect(await unfinishedUploads()).toBe(0);
      });

      test('a server that stays down is given up, and what is aborted is not tried again', async () => {
        const store = through();
        proxy.plan.push(...Array<'503'>(20).fill('503'));
        await expect(store.get(smallKey)).rejects.toMatchObject({ code: 'unavailable' });
        expect(proxy.plan).toHaveLength(16);
        await expect(store.get(smallKey, AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' });
        expect(proxy.plan).toHaveLength(16);
        proxy.plan.length = 0;
      });
    });

    async function unfinishedUploads(): Promise<number> {
      const listed = await (await server.request('GET', '/faults?uploads=')).text();
      return listed.match(/<UploadId>/g)?.length ?? 0;
    }
  });
});
