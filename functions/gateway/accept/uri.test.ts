import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { createGzip, gzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { bodies } from '../limits/bodies.ts';
import { addressGuard } from './addresses.ts';
import { fetchUri, type UriLimits } from './uri.ts';

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
  timeoutMs: 60_000,
});
const plenty = () => bodies(Number.POSITIVE_INFINITY).open();
const read = (uri: string, given: UriLimits, signal = new AbortController().signal) =>
  fetchUri(uri, given, plenty(), signal);

test('reads a document through redirects, decompressed', async () => {
  const host = await served((request, response) => {
    if (request.url === '/old') response.writeHead(302, { location: '/new.md' }).end();
    else
      response
        .writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip' })
        .end(gzipSync('# Knarr'));
  });
  const fetched = await read(`http://${host}/old`, limits(['127.0.0.0/8']));
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
    await expect(read(`http://${host}${path}`, limits(['127.0.0.1']))).rejects.toMatchObject({
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
  await expect(read(uri, limits([]))).rejects.toMatchObject({ code: 'forbidden' });
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
  await expect(read(`http://${outside}/`, limits(['127.0.0.1']))).rejects.toMatchObject({
    code: 'forbidden',
  });
  await expect(read(`http://${outside}/`, limits(['127.0.0.1', 'localhost']))).rejects.toMatchObject({
    code: 'forbidden',
  });
  expect(reached).toBe(false);
});

test('tells a refusal for good from one that may pass', async () => {
  const host = await served((request, response) => response.writeHead(Number(request.url?.slice(1))).end());
  const code = (status: number) =>
    read(`http://${host}/${status}`, limits(['127.0.0.1'])).catch((error) => error.code);
  expect(await code(404)).toBe('unprocessable');
  expect(await code(503)).toBe('upstream_failed');
  await expect(read('ftp://example.org/x', limits([]))).rejects.toMatchObject({
    code: 'invalid_request',
  });
});

test('endless redirects and silent servers end', async () => {
  const host = await served((request, response) => {
    if (request.url === '/loop') response.writeHead(302, { location: '/loop' }).end();
  });
  const allowed = { ...limits(['127.0.0.1']), timeoutMs: 50 };
  await expect(read(`http://${host}/loop`, limits(['127.0.0.1']))).rejects.toMatchObject({
    code: 'unprocessable',
  });
  await expect(read(`http://${host}/silent`, allowed)).rejects.toMatchObject({
    code: 'upstream_failed',
  });
});

test.each([
  'http://0x7f.1/',
  'http://0177.0.0.1/',
  'http://127.1/',
  'http://１２７.0.0.1/',
  'http://[::ffff:169.254.169.254]/latest/meta-data',
])('refuses %s, however it is written', async (uri) => {
  await expect(read(uri, limits([]))).rejects.toMatchObject({ code: 'forbidden' });
});

test('connects to the address that was checked, though the name has another one by then', async () => {
  let reached = 0;
  const inside = await served((_, response) => {
    reached++;
    response.end('secret');
  });
  const { port } = new URL(`http://${inside}`);
  let lookups = 0;
  // The first answer may be reached (nobody listens there), every later one is this machine's.
  const guard = addressGuard(['127.0.0.9'], (_host, _options, callback) =>
    callback(null, [{ address: lookups++ === 0 ? '127.0.0.9' : '127.0.0.1', family: 4 }]),
  );
  const rebound = () => read(`http://rebinding.example:${port}/`, { ...limits([]), guard });
  await expect(rebound()).rejects.toMatchObject({ code: 'upstream_failed' });
  expect(lookups).toBe(1);
  await expect(rebound()).rejects.toMatchObject({ code: 'forbidden' });
  expect({ lookups, reached }).toEqual({ lookups: 2, reached: 0 });
});

test.each(['http://169.254.169.254/', 'http://[::1]/', '//127.0.0.2/', 'ftp://127.0.0.1/'])(
  'a redirect to %s is not followed',
  async (location) => {
    const host = await served((_, response) => response.writeHead(307, { location }).end());
    await expect(read(`http://${host}/`, limits(['127.0.0.1']))).rejects.toMatchObject({
      code: location.startsWith('ftp') ? 'invalid_request' : 'forbidden',
    });
  },
);

test('a URI with a password is neither read nor redirected to', async () => {
  const host = await served((_, response) =>
    response.writeHead(302, { location: 'http://u:p@127.0.0.1/' }).end(),
  );
  for (const uri of [`http://user:secret@${host}/`, `http://${host}/`]) {
    const failure = await read(uri, limits(['127.0.0.1'])).catch((error) => error);
    expect(failure).toMatchObject({ code: 'invalid_request' });
    expect(failure.message).not.toContain('secret');
  }
});

test('a body without end is read no further than the limit, plain or compressed', async () => {
  const closed: Promise<unknown>[] = [];
  const host = await served((request, response) => {
    closed.push(once(response, 'close'));
    const zipped = request.url === '/zipped';
    response.writeHead(200, zipped ? { 'content-encoding': 'gzip' } : {});
    const source = Readable.from(noise());
    (zipped ? source.pipe(createGzip({ level: 1 })) : source).pipe(response);
  });
  for (const path of ['/plain', '/zipped']) {
    await expect(read(`http://${host}${path}`, limits(['127.0.0.1']))).rejects.toMatchObject({
      code: 'too_large',
    });
  }
  // The server sees its client hang up.
  await Promise.all(closed);
});

function* noise(): Generator<Buffer> {
  for (;;) yield randomBytes(16_384);
}

test('a body that drips, breaks off or is no such compression is refused', async () => {
  const host = await served((request, response) => {
    if (request.url === '/drip') {
      response.writeHead(200);
      const timer = setInterval(() => response.write('.'), 5);
      response.on('close', () => clearInterval(timer));
    } else if (request.url === '/broken') {
      response.writeHead(200, { 'content-length': '100' }).write('half');
      setImmediate(() => response.destroy());
    } else response.writeHead(200, { 'content-encoding': 'gzip' }).end('no gzip');
  });
  const code = (path: string) =>
    read(`http://${host}${path}`, { ...limits(['127.0.0.1']), timeoutMs: 200 }).catch((e) => e.code);
  expect(await code('/drip')).toBe('upstream_failed');
  expect(await code('/broken')).toBe('upstream_failed');
  expect(await code('/gzip')).toBe('invalid_request');
});

test('a caller that goes away ends the reading', async () => {
  const host = await served(() => {});
  const caller = new AbortController();
  const reading = read(`http://${host}/`, limits(['127.0.0.1']), caller.signal);
  caller.abort();
  await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
});

test('room is taken for what is read, beside the bodies of others', async () => {
  const host = await served((_, response) => response.writeHead(200).end(Buffer.alloc(6000)));
  const all = bodies(10_000);
  const [mine, other] = [all.open(), all.open()];
  const signal = new AbortController().signal;
  const get = () => fetchUri(`http://${host}/`, limits(['127.0.0.1']), mine, signal);
  other.grow(5000);
  await expect(get()).rejects.toMatchObject({ code: 'too_many_requests' });
  mine.end();
  other.end();
  expect((await get()).content).toHaveLength(6000);
  expect(() => other.grow(5000)).toThrow('Too much is being received');
});
