import { sql } from 'kysely';
import { KnarrError } from '../../errors.ts';
import { type Db, readHead, unchanged } from './head.ts';
import type { Acceptance } from './port.ts';
import type { NewDocument } from './records.ts';

/** How long an idempotency key is remembered. */
const KEY_HOURS = 24;
/** Expired rows removed by the way, at most. */
const PURGE = 100;

const EXPIRED = sql<boolean>`created_at < now() - make_interval(hours => ${KEY_HOURS}::integer)`;

/** The acceptance under this key, while it is remembered. */
export async function underKey(db: Db, tenant: string, key: string): Promise<Acceptance | undefined> {
  const row = await db
    .selectFrom('idempotency_keys')
    .select(['document', 'version'])
    .where('tenant', '=', tenant)
    .where('key', '=', key)
    .where(sql<boolean>`not (${EXPIRED})`)
    .executeTakeFirst();
  return row && unchanged(row.document, await readHead(db, tenant, row.document, row.version));
}

/**
 * The earlier acceptance under this key, or undefined when the key is new. Throws `conflict` when it stood for something
 * else, unless the `key` alone says what is the same.
 */
export async function claimKey(
  db: Db,
  { tenant, document }: NewDocument,
  { key, print, madeId, keyAlone }: { key: string; print: string; madeId: boolean; keyAlone: boolean },
): Promise<Acceptance | undefined> {
  await sql`delete from idempotency_keys where (tenant, key) in (
    select tenant, key from idempotency_keys where ${EXPIRED}
    limit ${PURGE}::integer for update skip locked)`.execute(db);
  const { numInsertedOrUpdatedRows } = await db
    .insertInto('idempotency_keys')
    .values({ tenant, key, fingerprint: print, document, version: 0 })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirstOrThrow();
  if (numInsertedOrUpdatedRows === 1n) return undefined;
  const earlier = await db
    .selectFrom('idempotency_keys')
    .selectAll()
    .where('tenant', '=', tenant)
    .where('key', '=', key)
    .executeTakeFirstOrThrow();
  const isSame = earlier.fingerprint === print && (earlier.document === document || madeId);
  if (!isSame && !keyAlone) {
    throw new KnarrError('conflict', 'This idempotency key was used for another document.');
  }
  return unchanged(earlier.document, await readHead(db, tenant, earlier.document, earlier.version));
}

/** Says what came of the submission that claimed the key. */
export async function settleKey(db: Db, tenant: string, key: string, accepted: Acceptance): Promise<void> {
  await db
    .updateTable('idempotency_keys')
    .set({ document: accepted.document, version: accepted.version })
    .where('tenant', '=', tenant)
    .where('key', '=', key)
    .execute();
}
