import { randomUUID } from 'node:crypto';
import { newVersion, write } from './documents.ts';
import { type Exchange, json, mayWrite, type Play, pathOf, post, refusal, send } from './exchange.ts';
import type { Asker, Document } from './world.ts';

const ACLS = [['*'], ['group:eng'], ['user:ann'], ['group:hr', 'user:bob']];

/** Holds documents while they are written; undefined when one of them is held already. */
async function holding<T>(documents: Document[], work: () => Promise<T>): Promise<T | undefined> {
  if (documents.some(({ isBusy }) => isBusy)) return undefined;
  for (const document of documents) document.isBusy = true;
  try {
    return await work();
  } finally {
    for (const document of documents) document.isBusy = false;
  }
}

/** A new version of a document, by whoever: those who may not read what is there must not be able to. */
export async function overwrite(play: Play, asker: Asker, document: Document): Promise<Exchange> {
  const { world, random } = play;
  // Under an id of another tenant, the writer's own tenant has, or gets, a document of its own.
  const isOwn = document.tenant === asker.tenant || asker.role === 'none';
  const twin = () => world.documents.find(({ id, tenant }) => id === document.id && tenant === asker.tenant);
  const target = isOwn ? document : (twin() ?? world.twin(document, asker.tenant));
  const done = await holding([target], async () => {
    const acl = [...random.pick(ACLS)];
    const inReach = asker.collections ?? ['default', 'news'];
    const version = newVersion(world, random, target, acl, random.pick(inReach));
    const isFree = target.reigns.length === 0 || world.readsNow(asker, target);
    const expected = asker.role === 'none' ? 401 : mayWrite(asker) && isFree ? 202 : 403;
    let exchanged: Exchange | undefined;
    await write(target, version, asker, async () => {
      exchanged = await send(play, asker, 'PUT', pathOf(target), JSON.stringify(version), json);
      return exchanged.reply.status;
    });
    return exchanged && { ...exchanged, expected };
  });
  return done ?? send(play, asker, 'GET', pathOf(document));
}

/** Several at once that the asker may not write. */
export async function batch(play: Play, asker: Asker): Promise<Exchange> {
  const { random, world } = play;
  const others = world.documents.filter(
    (each) => each.tenant === asker.tenant && each.reigns.length > 0 && !world.readsNow(asker, each),
  );
  const some = [...new Set([0, 1, 2].map(() => random.pick(others.length > 0 ? others : world.documents)))];
  const done = await holding(some, async () => {
    const lines = some.map(({ id }) => JSON.stringify(others.length > 0 ? { id, text: 'mine' } : { id }));
    const type = { 'content-type': 'application/x-ndjson' };
    const exchanged = await send(play, asker, 'POST', '/v1/documents:batch', lines.join('\n'), type);
    if (others.length === 0 || exchanged.reply.status !== 200) return exchanged;
    const statuses = exchanged.reply.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).status);
    return { ...exchanged, reply: { ...exchanged.reply, status: Math.min(...statuses) }, expected: 403 };
  });
  return done ?? send(play, asker, 'GET', '/v1/collections');
}

export async function remove(play: Play, asker: Asker, document: Document): Promise<Exchange> {
  const isOthers = document.tenant === asker.tenant && !play.world.readsNow(asker, document);
  // Of those it may delete, most are kept: the world should not run empty. An id may be the asker's own, too.
  const isSpared = !isOthers && (document.tenant !== asker.tenant || play.random.below(4) > 0);
  const done = isSpared
    ? undefined
    : await holding([document], async () => {
        const exchanged = await send(play, asker, 'DELETE', pathOf(document));
        return isOthers && mayWrite(asker) ? { ...exchanged, expected: 404 } : exchanged;
      });
  return done ?? send(play, asker, 'GET', pathOf(document));
}

/** A document without an id of the writer's. */
export function create(play: Play, asker: Asker): Promise<Exchange> {
  return added(play, asker, async (document, version) => {
    const exchanged = await post(play, asker, '/v1/documents', version);
    if (exchanged.reply.status === 202) document.id = JSON.parse(exchanged.reply.text).id;
    return exchanged;
  });
}

/** A document by way of an event: a new one, or one that is hidden from the writer, which comes to nothing. */
export async function submit(play: Play, asker: Asker): Promise<Exchange> {
  const { random, world } = play;
  const hidden = world.documents.filter(
    (each) => each.tenant === asker.tenant && each.reigns.length > 0 && !world.readsNow(asker, each),
  );
  if (hidden.length === 0 || random.below(2) === 0) {
    return added(play, asker, ({ id }, version) => postEvent(play, asker, { document: id, ...version }));
  }
  const target = random.pick(hidden);
  const about = { kind: 'question', tenant: asker.tenant, acl: asker.principals, collection: '' } as const;
  const data = {
    document: target.id,
    text: `Submitted ${world.plant(about)}.`,
    acl: ['user:nobody'],
    collection: random.pick(asker.collections ?? ['default', 'news']),
  };
  for (const { token } of world.find(data.document)) asker.named.add(token);
  const done = await holding([target], () => postEvent(play, asker, data));
  if (!done) return send(play, asker, 'GET', '/v1/collections');
  return { ...done, expected: refusal(asker, 'writer') ?? 403 };
}

/** The event says a tenant as well, which counts for nothing. */
function postEvent(play: Play, asker: Asker, data: { document: string }): Promise<Exchange> {
  return post(play, asker, '/v1/events', data, {
    'ce-specversion': '1.0',
    'ce-id': randomUUID(),
    'ce-source': '/access',
    'ce-type': 'dev.knarr.document.submitted.v1',
    'ce-tenant': play.random.pick(['acme', 'globex', 'initech']),
  });
}

async function added(
  play: Play,
  asker: Asker,
  put: (document: Document, version: ReturnType<typeof newVersion>) => Promise<Exchange>,
): Promise<Exchange> {
  const { random, world } = play;
  const document: Document = { id: randomUUID(), tenant: asker.tenant, reigns: [], isBusy: true, tokens: [] };
  world.documents.push(document);
  const collection = random.pick(asker.collections ?? ['default', 'news']);
  const version = newVersion(world, random, document, [...random.pick(ACLS)], collection);
  let exchanged: Exchange | undefined;
  await write(document, version, asker, async () => {
    exchanged = await put(document, version);
    return exchanged.reply.status;
  });
  document.isBusy = false;
  if (document.reigns.length === 0) world.documents.splice(world.documents.indexOf(document), 1);
  return { ...(exchanged as Exchange), expected: refusal(asker, 'writer') ?? 202 };
}
