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

    purgeOriginals({ olderThanMs, limit }, remove) {
      return database.transaction(async (tx) => {
        const { rows } = await tx.query<{ tenant: string; original: string }>(
          `select tenant, original from originals o
           where touched_at < now() - $1::float8 * interval '1 millisecond'
             and not exists (select from versions v where v.tenant = o.tenant and v.original = o.original
               and v.state not in ('superseded', 'deleted'))
           limit $2 for update skip locked`,
          [olderThanMs, limit],
        );
        for (const { tenant, original } of rows) {
          await remove(original);
          await tx.query('delete from originals where tenant = $1 and original = $2', [tenant, original]);
        }
        return rows.length;
      });
    },
  };
}
