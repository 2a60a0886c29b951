import { z } from 'zod';
import { CollectionName, DocumentId, Version } from '../_shared/contracts.ts';
import { type CloudEvent, type Emitted, emit, eventName, OF_A_VERSION } from '../_shared/events.ts';
import { problemOf } from '../_shared/runtime/problem.ts';
import type { Context } from '../_shared/stage.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import type { NewDeadLetter } from '../_shared/stores/documents/records.ts';
import { errorOf, isPassing, readLetter } from './letter.ts';

/** Which dead letters; without any, all of them. */
export const Selection = z.object({
  id: z.string().max(512).optional(),
  /** Full type of the event. */
  type: z.string().max(256).optional(),
  code: z.string().max(64).optional(),
  /** Id of the document or question. */
  subject: z.string().max(512).optional(),
});

export const DeadLetterPage = z.object({
  dead_letters: z.array(
    z.object({
      id: z.string(),
      /** An error code, or the HTTP status of the last attempt. */
      code: z.string(),
      message: z.string(),
      destination: z.string(),
      received_at: z.string(),
      /** One, and one more for each replay that failed again. */
      attempts: z.int(),
      event: z.custom<CloudEvent>(),
    }),
  ),
  next: z.string().optional(),
});

/** A tenant's dead letters, newest first. */
export async function listDeadLetters(
  tenant: string,
  page: z.infer<typeof Selection> & { limit: number; cursor?: string | undefined },
  documents: Pick<DocumentStore, 'deadLetters'>,
): Promise<z.infer<typeof DeadLetterPage>> {
  const { items, next } = await documents.deadLetters(tenant, page);
  const letters = items.map(({ receivedAt, tenant: _, ...letter }) => ({
    ...letter,
    received_at: receivedAt,
  }));
  return { dead_letters: letters, ...(next !== undefined && { next }) };
}

type Documents = Pick<DocumentStore, 'addDeadLetter' | 'fail' | 'version' | 'completeAnswer'>;

/** As `document.failed` allows. */
const MAX_REASON = 512;
const VersionReference = z.object({
  document: DocumentId,
  version: Version,
  collection: CollectionName,
  generation: z.string().optional(),
});

/**
 * Keeps a dead letter, and ends what waited for it with its reason: the asynchronous question, or the document version
 * if it would fail again. Else the version goes on: the sweep sends it off, and ends it where that was in vain. Safe to
 * repeat: everything said and written is the same the second time, and nothing is after a replay.
 */
export async function takeDeadLetter(
  event: CloudEvent,
  { deps: { documents }, tenant, log }: Context<{ documents: Documents }>,
): Promise<Emitted | undefined> {
  const name = eventName(event.type);
  // The timer fires again by itself.
  if (name === 'timer.fired') return undefined;
  const letter = readLetter(event, tenant, new Date());
  if (!(await documents.addDeadLetter(letter))) return undefined;
  log.warn({ event: event.type, code: letter.code, destination: letter.destination }, 'dead letter');

  if (name === undefined) return undefined;
  if (OF_A_VERSION.includes(name)) {
    return isPassing(letter) ? undefined : failVersion(event, letter, documents);
  }
  if (name.startsWith('query.') && event.subject !== undefined) {
    await documents.completeAnswer(tenant, event.subject, 'failed', problemOf(errorOf(letter)));
  }
  return undefined;
}

/** Ends the version that a kept letter speaks of, and says so. */
export async function failVersion(
  event: CloudEvent,
  { tenant, code, message }: NewDeadLetter,
  documents: Pick<Documents, 'fail' | 'version'>,
): Promise<Emitted | undefined> {
  const reference = VersionReference.safeParse(event.data);
  if (!reference.success) return undefined;
  const { document, version, collection, generation } = reference.data;
  const ref = { tenant, document, version };
  // What was said of it for an index that it has left since ends nothing.
  const found = await documents.version(ref);
  if (generation !== undefined && found !== undefined && found.generation !== generation) return undefined;
  await documents.fail(ref, { code, message });
  // Said again with the kept reason when the letter comes again: the first answer may have been lost.
  const record = await documents.version(ref);
  if (record?.state !== 'dead_lettered' || record.error === null) return undefined;
  const reason = record.error.message.slice(0, MAX_REASON);
  const failed = { document, version, collection, code: record.error.code, reason };
  return { ...emit('document.failed', document, failed), tenant };
}
