import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { addressGuard } from './addresses.ts';
import { fetchUri } from './uri.ts';

const servers: ReturnType<typeof createServer>[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A web server on this machine; its host and port. */
async function served(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const limits = (allow: string[], maxBytes = 10_000) => ({
  guard: addressGuard(allow),
  maxBytes,
  timeoutMs: 5000,
});
const never = new AbortController().signal;

test('reads a document through redirects, decompressed', async () => {
  const host = await served((request, response) => {
    if (request.url === '/old') response.writeHead(302, { location: '/new.md' }).end();
    else
      response
        .writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip' })
        .end(gzipSync('# Knarr'));
  });
  const fetched = await fetchUri(`http://${host}/old`, limits(['127.0.0.0/8']), never);
  expect(Buffer.from(fetched.content).toString()).toBe('# Knarr');
  expect(fetched).toMatchObject({ contentType: 'text/plain', url: { pathname: '/new.md' } });
});

test('refuses what is larger than allowed, also after decompression', async () => {
  const bomb = gzipSync(Buffer.alloc(5_000_000));
  expect(bomb.byteLength).toBeLessThan(10_000);
  const host = await served((request, response) => {
    if (request.url === '/bomb') response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
    else response.writeHead(200).end(Buffer.alloc(10_001));
  });
  for (const path of ['/bomb', '/plain']) {
    await expect(fetchUri(`http://${host}${path}`, limits(['127.0.0.1']), never)).rejects.toMatchObject({
      code: 'too_large',
    });
  }
});

test.each([
  'http://127.0.0.1/',
  'http://2130706433/',
  'http://[::1]/',
  'http://[::ffff:127.0.0.1]/',
  'http://169.254.169.254/latest/meta-data',
  'http://10.1.2.3/',
  'http://[fd00::1]/',
  'http://[64:ff9b::7f00:1]/',
  'http://0.0.0.0/',
  'http://localhost/',
])('refuses %s, which is not public', async (uri) => {
  await expect(fetchUri(uri, limits([]), never)).rejects.toMatchObject({ code: 'forbidden' });
});

test('a redirect to an address that is not public reaches nobody', async () => {
  let reached = false;
  const inside = await served((_, response) => {
    reached = true;
    response.end('secret');
  });
  const outside = await served((_, response) =>
    response.writeHead(302, { location: `http://${inside.replace('127.0.0.1', '127.0.0.2')}/` }).end(),
  );
  await expect(fetchUri(`http://${outside}/`, limits(['127.0.0.1']), never)).rejects.toMatchObject({
    code: 'forbidden',
  });
  await expect(
    fetchUri(`http://${outside}/`, limits(['127.0.0.1', 'localhost']), never),
  ).rejects.toMatchObject({ code: 'forbidden' });
  expect(reached).toBe(false);
});

test('tells a refusal for good from one that may pass', async () => {
  const host = await served((request, response) => response.writeHead(Number(request.url?.slice(1))).end());
  const code = (status: number) =>
    fetchUri(`http://${host}/${status}`, limits(['127.0.0.1']), never).catch((error) => error.code);
  expect(await code(404)).toBe('unprocessable');
  expect(await code(503)).toBe('upstream_failed');
  await expect(fetchUri('ftp://example.org/x', limits([]), never)).rejects.toMatchObject({
    code: 'invalid_request',
  });
});

test('endless redirects and silent servers end', async () => {
  const host = await served((request, response) => {
    if (request.url === '/loop') response.writeHead(302, { location: '/loop' }).end();
  });
  const allowed = { ...limits(['127.0.0.1']), timeoutMs: 50 };
  await expect(fetchUri(`http://${host}/loop`, limits(['127.0.0.1']), never)).rejects.toMatchObject({
    code: 'unprocessable',
  });
  await expect(fetchUri(`http://${host}/silent`, allowed, never)).rejects.toMatchObject({
    code: 'upstream_failed',
  });
});
