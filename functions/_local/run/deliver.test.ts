import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { deliverTo } from './deliver.ts';

const deliver = deliverTo(new Map([['embed', { fetch: async () => new Response('in this process') }]]));
const to = (url: string) => deliver(url, new Request(url, { method: 'POST', body: 'event' }));

test('a Service is its stage in this process', async () => {
  expect(await (await to('http://embed.default.svc.cluster.local/')).text()).toBe('in this process');
  expect((await to('http://nobody.default.svc.cluster.local/')).status).toBe(404);
});

test('any other address is asked by HTTP, and its redirects are not followed', async () => {
  const server = createServer((request, response) => {
    const moved = request.url === '/moved';
    response.writeHead(moved ? 307 : 202, moved ? { location: '/' } : {}).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    expect((await to(`http://127.0.0.1:${port}/`)).status).toBe(202);
    expect((await to(`http://127.0.0.1:${port}/moved`)).status).toBe(307);
  } finally {
    server.close();
  }
  await expect(to(`http://127.0.0.1:${port}/`)).rejects.toThrow();
});
