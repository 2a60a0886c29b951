import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestGateway, type TestGateway } from '../testing.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await openTestGateway({ KNARR_MAX_BACKLOG: '4' });
});
afterAll(() => gateway.close());

test('more than the backlog holds is refused, and nothing of it is kept; a deletion is not', async () => {
  const put = (id: string) => gateway.ask('PUT', `/v1/documents/${id}`, { text: 'Waits to be indexed.' });
  expect((await put('a')).status).toBe(202);
  expect((await put('b')).status).toBe(202);
  // The count is two seconds old at most.
  await expect.poll(async () => (await put('b')).status, { timeout: 10_000 }).toBe(429);
  const refused = await put('c');
  expect(refused).toMatchObject({ status: 429, body: { code: 'too_many_requests' } });
  expect(refused.body.detail).toContain('KNARR_MAX_BACKLOG');
  expect(Number(refused.headers.get('retry-after'))).toBe(30);
  expect((await gateway.ask('GET', '/v1/documents/c')).status).toBe(404);
  expect((await gateway.ask('DELETE', '/v1/documents/a')).status).toBe(202);
  await expect.poll(async () => (await put('c')).status, { timeout: 10_000 }).toBe(202);
});
