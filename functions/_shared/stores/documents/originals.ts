import type { Database } from '../sql/database.ts';
import type { DocumentStore } from './port.ts';

/**
 * Which originals are kept. A row is touched before its content is put, and removed, under its lock, together with the
 * content: so an original that is being submitted again is never taken away from under its document.
 */
export function originalsLedger(database: Database): Pick<DocumentStore, 'touchOriginal' | 'purgeOriginals'> {
  return {
    async touchOriginal(tenant, original) {
      await database.query(
        `insert into originals (tenant, original) values ($1, $2)
         on conflict (tenant, original) do update set touched_at = now()`,
        [tenant, original],
      );
    },

    async purgeOriginals({ olderThanMs, limit }, remove) {
      const { rows } = await database.query<Original>(
        `select tenant, original from originals o where ${NEEDLESS} limit $2`,
        [olderThanMs, limit],
      );
      let removed = 0;
      for (const { tenant, original } of rows) {
        // Each for itself: the store of originals may be slow, and a submission of this one waits.
        const isRemoved = await database.transaction(async (tx) => {
          const { affected } = await tx.query(
            `delete from originals where (tenant, original) in (
               select tenant, original from originals o
               where ${NEEDLESS} and tenant = $2 and original = $3 for update skip locked)`,
            [olderThanMs, tenant, original],
          );
          if (affected === 1) await remove(original);
          return affected === 1;
        });
        if (isRemoved) removed++;
      }
      return removed;
    },
  };
}

interface Original {
  tenant: string;
  original: string;
}

/** A head needs its original, also when it was dead-lettered: it may be replayed. A tombstone names none. */
const NEEDLESS = `o.touched_at < now() - $1::float8 * interval '1 millisecond'
  and not exists (select from versions v
    join documents d on d.tenant = v.tenant and d.document = v.document and d.head = v.version
    where v.tenant = o.tenant and v.original = o.original)`;
