import { afterAll, beforeAll, expect, test } from 'vitest';
import { startIssuer, type TestIssuer } from '../../../test/support/issuer.ts';
import { writeBinary } from '../../_shared/runtime/cloudevents.ts';
import { type Guarded, openGuarded, submission } from './testing.ts';

let users: TestIssuer;
let cluster: TestIssuer;
let guarded: Guarded;
beforeAll(async () => {
  [users, cluster] = [await startIssuer(), await startIssuer()];
  guarded = await openGuarded({
    KNARR_AUTH: 'oidc',
    KNARR_OIDC_ISSUER: users.url,
    KNARR_OIDC_AUDIENCE: 'knarr',
    KNARR_EVENTS_AUTH: 'oidc',
    KNARR_EVENTS_ISSUER: cluster.url,
    KNARR_EVENTS_AUDIENCE: 'knarr-gateway',
    KNARR_EVENTS_SUBJECTS: 'system:serviceaccount:knarr:*,system:serviceaccount:eventing:exact',
  });
});
afterAll(async () => {
  await guarded?.gateway.close();
  await users?.close();
  await cluster?.close();
});

const alice = { tenant: 'acme', sub: 'alice', groups: ['eng'], roles: ['writer'] };

test('a user of the issuer is the tenant, user, groups and role of its token', async () => {
  const { ask } = guarded;
  const token = await users.sign(alice);
  expect((await ask(token, 'PUT', '/v1/documents/plan', { text: 'x', acl: ['group:eng'] })).status).toBe(202);
  expect((await ask(await users.sign({ ...alice, sub: 'bob' }), 'GET', '/v1/documents/plan')).status).toBe(
    200,
  );
  const [outsider, foreigner] = [
    { ...alice, groups: [] },
    { ...alice, tenant: 'globex' },
  ];
  // Alice has left the group; the document is none of hers any more.
  for (const claims of [outsider, foreigner]) {
    expect((await ask(await users.sign(claims), 'GET', '/v1/documents/plan')).status).toBe(404);
  }
  const reader = await users.sign({ ...alice, roles: ['reader'] });
  expect(await ask(reader, 'DELETE', '/v1/documents/plan')).toMatchObject({ status: 403 });
  const nobody = await ask(await users.sign({ ...alice, roles: [] }), 'GET', '/v1/documents');
  expect(nobody).toMatchObject({ status: 403, body: { detail: 'The token names no role.' } });
});

test('idempotency keys are each user’s own, whatever they are called', async () => {
  const post = async (sub: string, key: string, text: string) => {
    const init = { headers: { 'idempotency-key': key } };
    const token = await users.sign({ ...alice, sub });
    const { status, body } = await guarded.ask(token, 'POST', '/v1/documents', { text }, init);
    return { status, id: body.id };
  };
  const first = await post('x', 'y z', 'one');
  const others = await post('x y', 'z', 'two');
  expect([first.status, others.status]).toEqual([202, 202]);
  expect(await post('x y', 'z', 'two')).toEqual({ status: 200, id: others.id });
});

test('tokens are refused with a challenge, and keys where none are accepted', async () => {
  const { ask, key } = guarded;
  const expired = await users.sign({ ...alice, exp: 1 });
  for (const token of [expired, await cluster.sign(alice), (await key('admin')).key, 'x']) {
    const reply = await ask(token, 'GET', '/v1/documents');
    expect(reply.status).toBe(401);
    expect(reply.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
  }
});

test('events are the Broker’s when they carry its token', async () => {
  const deliver = async (token: string | undefined, id: string) => {
    const { status, body } = await guarded.ask(token, 'POST', '/', undefined, writeBinary(submission(id)));
    return [status, body.code];
  };
  const broker = { aud: 'knarr-gateway', sub: 'system:serviceaccount:knarr:query-answered-to-gateway' };
  expect(await deliver(await cluster.sign(broker), 'a')).toEqual([204, undefined]);
  const exact = { ...broker, sub: 'system:serviceaccount:eventing:exact' };
  expect(await deliver(await cluster.sign(exact), 'b')).toEqual([204, undefined]);
  const refused = [422, 'forbidden'];
  for (const sub of ['system:serviceaccount:other:x', 'system:serviceaccount:eventing:exactly', '']) {
    expect(await deliver(await cluster.sign({ ...broker, sub }), 'c')).toEqual(refused);
  }
  expect(await deliver(undefined, 'c')).toEqual(refused);
  expect(await deliver(await cluster.sign({ ...broker, aud: 'knarr' }), 'c')).toEqual([
    422,
    'unauthenticated',
  ]);
  expect(await deliver(await users.sign({ ...alice, ...broker }), 'c')).toEqual([422, 'unauthenticated']);
  const admin = await users.sign({ ...alice, tenant: 'globex', roles: ['admin'] });
  const { body } = await guarded.ask(admin, 'GET', '/v1/documents');
  expect(body.documents.map(({ id }: { id: string }) => id)).toEqual(['a', 'b']);
});
