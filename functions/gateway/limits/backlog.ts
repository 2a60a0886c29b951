import { KnarrError } from '../../_shared/errors.ts';
import type { DocumentStore } from '../../_shared/stores/documents/port.ts';
import { orKnown } from '../fallback.ts';

/** How old the count may be, milliseconds: so long do replicas accept more than they should. */
const FRESH_MS = 2000;
/** A backlog takes its time. Seconds. */
const RETRY_S = 30;

/** How many documents may be accepted and not indexed yet. */
export interface Backlog {
  /** Throws `too_many_requests` when no more of this tenant's are taken. */
  check(tenant: string): Promise<void>;
}

/**
 * `max` of all tenants together. One of them takes as much as it leaves for others: half of it alone, a third beside another
 * that does the same; so whoever has nothing waiting always finds room.
 */
export function backlogLimit(documents: Pick<DocumentStore, 'backlog'>, max: number): Backlog {
  let known: { of: ReadonlyMap<string, number>; all: number; until: number } | undefined;
  let reading: Promise<NonNullable<typeof known>> | undefined;

  async function read(): Promise<NonNullable<typeof known>> {
    const of = await documents.backlog();
    const all = [...of.values()].reduce((sum, count) => sum + count, 0);
    known = { of, all, until: Date.now() + FRESH_MS };
    return known;
  }

  async function count(): Promise<NonNullable<typeof known>> {
    if (known && Date.now() < known.until) return known;
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return known ? orKnown(reading, known) : reading;
  }

  return {
    async check(tenant) {
      const { of, all } = await count();
      if ((of.get(tenant) ?? 0) < max - all) return;
      throw new KnarrError(
        'too_many_requests',
        `Too many documents wait to be indexed (KNARR_MAX_BACKLOG: ${max}, of which a tenant takes as much as it leaves).`,
        { retryAfter: RETRY_S },
      );
    },
  };
}
