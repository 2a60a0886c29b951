import { randomUUID } from 'node:crypto';
import { type Exchange, json, type Play, post, refusal, send } from './exchange.ts';
import type { Asker } from './world.ts';

/** Keys, quota and audit log of a tenant: of the admin's own, which it may name, or of another. */
export async function administer(play: Play, asker: Asker): Promise<Exchange> {
  const { pick, below } = play.random;
  const tenant = pick([undefined, 'acme', 'globex', 'initech']);
  const isOwn = tenant === undefined || tenant === asker.tenant;
  const expected = refusal(asker, 'admin') ?? (isOwn ? undefined : 403);
  if (below(6) === 0) {
    const key = { name: 'x', role: 'admin', ...(tenant && { tenant }) };
    return { ...(await post(play, asker, '/v1/admin/keys', key)), expected };
  }
  const path = pick([
    '/v1/admin/keys?limit=50',
    '/v1/admin/quotas?',
    '/v1/audit?limit=100',
    '/v1/audit?limit=100&outcome=denied',
    '/v1/audit?limit=100&action=document.put',
  ]);
  const done = await send(play, asker, 'GET', `${path}${tenant ? `&tenant=${tenant}` : ''}`);
  return { ...done, expected };
}

/** Another tenant's key. */
export async function revoke(play: Play, asker: Asker): Promise<Exchange> {
  const { id } = play.random.pick(play.keys.filter(({ tenant }) => tenant !== asker.tenant));
  const done = await send(
    play,
    asker,
    'DELETE',
    `/v1/admin/keys/${id}${play.random.pick(['', '?tenant=acme'])}`,
  );
  return { ...done, expected: done.reply.status === 200 ? 404 : undefined };
}

/** What only the Broker may say. */
export async function inject(play: Play, asker: Asker, name: string, data: object): Promise<Exchange> {
  const attributes = {
    'ce-specversion': '1.0',
    'ce-id': randomUUID(),
    'ce-source': '/knarr/generate',
    'ce-type': `dev.knarr.${name}.v1`,
    'ce-tenant': play.random.pick(['acme', 'globex', 'initech']),
    'ce-subject': 'x',
  };
  const done = await send(play, asker, 'POST', '/', JSON.stringify(data), { ...json, ...attributes });
  return { ...done, expected: 422 };
}

/** Dead letters of other tenants, or none at all: an admin replays its own, of which the test wants to keep some. */
export async function replay(play: Play, asker: Asker): Promise<Exchange> {
  const { random } = play;
  const foreign = play.deadLetters.filter((id) => !id.includes(asker.tenant) || asker.tenant === '');
  const refused = refusal(asker, 'admin');
  if (random.below(2) === 0) {
    const done = await post(play, asker, `/v1/dead-letters/${random.pick(foreign)}/replay`, {});
    return { ...done, expected: refused ?? 404 };
  }
  const done = await post(play, asker, '/v1/dead-letters:replay', { code: 'nothing', limit: 10 });
  return { ...done, expected: refused ?? (done.reply.text === '{"replayed":0}' ? 202 : 0) };
}

/** Of a collection that another tenant has and this one has not. */
export async function rebuild(play: Play, asker: Asker): Promise<Exchange> {
  const foreign = Object.entries(play.collections).filter(([tenant]) => tenant !== asker.tenant);
  const collection = play.random.pick(foreign)[1].at(-1) as string;
  asker.named.add(collection);
  const done = await post(play, asker, '/v1/admin/rebuild', { collection });
  const expected = refusal(asker, 'admin') ?? (done.reply.text === '{"rebuilding":0}' ? 202 : 0);
  return { ...done, expected };
}

/** What only the operator may do, and here nobody is one. */
export async function operate(play: Play, asker: Asker): Promise<Exchange> {
  const method = play.random.pick(['POST', 'PUT', 'PATCH']);
  const done =
    method === 'POST'
      ? await post(play, asker, '/v1/admin/reconcile', { repair: false })
      : await send(play, asker, method, '/v1/admin/quotas', JSON.stringify({ documents: 1 }), json);
  return { ...done, expected: refusal(asker, 'admin') ?? 403 };
}

/** Ids of dead letters are no secret: whoever has heard of one may ask for it. */
export async function listLetters(play: Play, asker: Asker): Promise<Exchange> {
  const path = `/v1/dead-letters?limit=50${play.random.pick(['', '&code=internal', '&code=forbidden'])}`;
  const done = await send(play, asker, 'GET', path);
  if (done.reply.status === 200) {
    for (const { id } of JSON.parse(done.reply.text).dead_letters) {
      if (play.heard.length < MAX_HEARD && !play.heard.includes(id)) play.heard.push(id);
    }
  }
  return done;
}

const MAX_HEARD = 1000;
