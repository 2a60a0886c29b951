import { randomUUID } from 'node:crypto';
import type { Metadata } from '../../_shared/contracts.ts';
import { KnarrError } from '../../_shared/errors.ts';
import { type Generation, generationId } from '../../_shared/generation.ts';
import { contentHash } from '../../_shared/ids.ts';
import type { Relay } from '../../_shared/outbox.ts';
import type { Acceptance, Idempotency } from '../../_shared/stores/documents/port.ts';
import { type OriginalStore, originalKey } from '../../_shared/stores/originals/port.ts';
import type { Backlog } from '../limits/backlog.ts';
import type { Bodies, Room } from '../limits/bodies.ts';
import { documentType } from './media.ts';
import { type Description, decodeBase64, type Submission } from './submission.ts';
import { fetchUri, type UriLimits } from './uri.ts';
import {
  checkReach,
  checkRoom,
  denying,
  readableByWriter,
  recorded,
  type WriteDeps,
  type Writer,
} from './writer.ts';

export interface AcceptDeps extends WriteDeps {
  bodies: Bodies;
  backlog: Backlog;
  originals: OriginalStore;
  relay: Relay;
  /** For collections that do not exist yet. */
  generation: Generation;
  uri: UriLimits;
  /** Largest content, bytes. */
  maxDocumentBytes: number;
}

/** How a repeat of a submission is known, and what comes late. */
export interface Repeats {
  /** Of the writer's choosing: what another writer means by it is something else. */
  idempotencyKey: string;
  /** The key alone says that it is the same; else other content under it is a conflict. */
  keyAlone?: boolean;
  /** When it was said, RFC 3339. What was said before the document's head was, writes nothing. Absent: now. */
  time?: string | undefined;
}

/** The key as the store has it: one writer's keys are nothing to another, whatever they are called. */
export const keyOf = ({ idempotencyKey }: Pick<Repeats, 'idempotencyKey'>, { actor }: Writer): string =>
  actor.includes(' ') ? JSON.stringify([actor, idempotencyKey]) : `${actor} ${idempotencyKey}`;

/** A document's content with what was said of it. */
export interface Incoming {
  content: Uint8Array;
  contentType: string;
  title?: string | undefined;
  uri?: string | undefined;
  metadata?: Metadata | undefined;
  acl?: string[] | undefined;
  collection: string;
}

/** Reads the content of a JSON submission: from its text, its base64 or its URI, for which it takes room. */
export async function readSubmission(
  submission: Submission,
  deps: Pick<AcceptDeps, 'uri'>,
  room: Room,
  signal: AbortSignal,
): Promise<Incoming> {
  const { text, data, uri, content_type: given, ...description } = submission;
  if (uri !== undefined) {
    const { content, contentType, url } = await fetchUri(uri, deps.uri, room, signal);
    return { ...description, uri, content, contentType: documentType(given ?? contentType, url.pathname) };
  }
  if (data !== undefined) {
    return { ...description, content: decodeBase64(data), contentType: documentType(given ?? '') };
  }
  if (text === undefined || text.trim() === '') throw new KnarrError('unprocessable', 'text: is empty.');
  if (/\p{Cs}/u.test(text)) throw new KnarrError('invalid_request', 'text: holds half of a surrogate pair.');
  const [type] = documentType(given ?? 'text/plain').split(';');
  return { ...description, content: Buffer.from(text), contentType: `${type}; charset=utf-8` };
}

/** Content that came as it is, with what the request says beside it. */
export function readRaw(
  content: Uint8Array,
  contentType: string,
  description: Description,
  filename?: string,
): Incoming {
  return { ...description, content, contentType: documentType(contentType, filename) };
}

/**
 * Accepts a document durably: the original is stored, then the version and its outbox row are committed together.
 * Resolves after the commit. Throws `unprocessable` for an empty document, `too_large`, `invalid_request` for an id
 * that no URL can name, `forbidden` for one that the writer may not write, `too_many_requests` beyond a quota
 * and while too many are accepted at once. `id`: absent, one is made. A key that stood for something else, or for
 * another given id, throws `conflict`.
 */
export function accept(
  id: string | undefined,
  incoming: Incoming,
  writer: Writer,
  deps: AcceptDeps,
  repeats?: Repeats,
): Promise<Acceptance> {
  const document = id ?? randomUUID();
  const idempotency = repeats
    ? { ...repeats, idempotencyKey: keyOf(repeats, writer), madeId: id === undefined }
    : {};
  return deps.quotas.write(writer.tenant, () =>
    denying('document.put', document, writer, deps, () =>
      write(document, incoming, writer, deps, idempotency),
    ),
  );
}

async function write(
  document: string,
  incoming: Incoming,
  writer: Writer,
  deps: AcceptDeps,
  idempotency: Idempotency,
): Promise<Acceptance> {
  const { tenant } = writer;
  const { content, contentType, collection } = incoming;
  if (document === '.' || document === '..') {
    throw new KnarrError('invalid_request', 'id: "." and ".." cannot be part of a URL.');
  }
  if (content.byteLength === 0) throw new KnarrError('unprocessable', 'The document is empty.');
  if (content.byteLength > deps.maxDocumentBytes) {
    throw new KnarrError('too_large', `The document is larger than ${deps.maxDocumentBytes} bytes.`);
  }
  checkReach(collection, writer);
  await deps.backlog.check(tenant);
  const quota = await checkRoom(document, content.byteLength, writer, deps);
  const hash = contentHash(content);
  const original = await keep(tenant, hash, content, deps);
  const generation = (await deps.documents.generationOf(tenant, collection)) ?? generationId(deps.generation);
  const acceptance = await deps.documents.accept(
    {
      tenant,
      document,
      collection,
      generation,
      title: incoming.title ?? null,
      uri: incoming.uri ?? null,
      contentType,
      contentHash: hash,
      bytes: content.byteLength,
      original,
      metadata: incoming.metadata ?? {},
      acl: readableByWriter(incoming.acl ?? ['*'], writer.caller),
    },
    { ...recorded('document.put', writer, deps, quota), ...idempotency },
  );
  if (acceptance.created) deps.relay.wake();
  return acceptance;
}

/** Stores the content and returns its key, which no purge takes before the version is there that needs it. */
async function keep(
  tenant: string,
  hash: string,
  content: Uint8Array,
  { documents, originals }: AcceptDeps,
): Promise<string> {
  const noted = () => documents.keepOriginal(tenant, hash, originalKey(tenant, hash));
  const original = await noted();
  await originals.put(original, content);
  // While it was stored it may have become old enough to be purged.
  if ((await noted()) === original) return original;
  throw new KnarrError('unavailable', 'The original took too long to be stored; try again.');
}
