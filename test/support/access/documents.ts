import type { Asker, Document, Random, World } from './world.ts';
import { prose } from './world.ts';

/** A version to be written, with canaries in all of it. */
export function newVersion(
  world: World,
  random: Random,
  document: Document,
  acl: string[],
  collection: string,
) {
  const about = { tenant: document.tenant, acl, collection, documents: [document] };
  const plant = (kind: 'text' | 'title' | 'metadata') => world.plant({ ...about, kind });
  return {
    text: `${prose(random)} The watchword is ${plant('text')}.`,
    title: `Report ${plant('title')}`,
    metadata: { tag: plant('metadata'), level: random.below(5) },
    acl,
    collection,
  };
}

export function newDocument(world: World, tenant: string, acl: string[], collection: string): Document {
  const document: Document = { id: '', tenant, reigns: [], isBusy: false, tokens: [] };
  document.id = `reports/${world.plant({ kind: 'id', tenant, acl, collection, documents: [document] })}`;
  world.documents.push(document);
  return document;
}

/** Writes and remembers since when, until when and for whom. Gives the status of the answer. */
export async function write(
  document: Document,
  version: { acl: string[]; collection: string },
  asker: Asker,
  send: () => Promise<number>,
): Promise<number> {
  const isListed = version.acl.some((principal) => asker.principals.includes(principal));
  const self = asker.principals.find((principal) => principal.startsWith('user:'));
  // Whoever writes a document stays one of its readers.
  if (!isListed && self) version.acl.push(self);
  const reign = {
    acl: version.acl,
    collection: version.collection,
    from: performance.now(),
    to: Number.POSITIVE_INFINITY,
  };
  const before = document.reigns.at(-1);
  document.reigns.push(reign);
  const status = await send();
  if (status !== 202) document.reigns.splice(document.reigns.indexOf(reign), 1);
  else if (before) before.to = performance.now();
  return status;
}
