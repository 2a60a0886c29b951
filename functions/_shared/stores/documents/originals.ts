import { KnarrError } from '../../errors.ts';
import type { Database } from '../sql/database.ts';
import type { DocumentStore } from './port.ts';

/**
 * Which originals are kept, and under which keys. A key whose removal has begun is never used again: nobody can tell when
 * a deletion whose answer was lost takes effect, and then it takes nothing from anybody.
 */
export function originalsLedger(database: Database): Pick<DocumentStore, 'keepOriginal' | 'purgeOriginals'> {
  async function forget(removed: readonly Original[]): Promise<void> {
    await database.query(
      `delete from originals where removing
         and (tenant, original) in (select * from unnest($1::text[], $2::text[]))`,
      [removed.map(({ tenant }) => tenant), removed.map(({ original }) => original)],
    );
  }

  return {
    async keepOriginal(tenant, contentHash, fresh) {
      const { rows } = await database.query<{ original: string }>(
        `insert into originals (tenant, original, content_hash) values ($1, $2, $3)
         on conflict (tenant, content_hash) where not removing do update set touched_at = now()
         returning original`,
        [tenant, fresh, contentHash],
      );
      return rows[0]?.original ?? fresh;
    },

    async purgeOriginals({ olderThanMs, limit }, remove) {
      const due: Original[] = [];
      // What a purge that failed or died has left comes first.
      for (const condition of ['o.removing', NEEDLESS]) {
        const { rows } = await database.query<Original>(marking(condition), [
          olderThanMs,
          limit - due.length,
        ]);
        due.push(...rows);
      }
      const removed: Original[] = [];
      let failure: unknown;
      for (const one of due) {
        try {
          await remove(one.original);
          removed.push(one);
        } catch (thrown) {
          failure ??= thrown;
          // Each of the others would take as long to fail.
          if (KnarrError.from(thrown).code === 'unavailable') break;
        }
      }
      await forget(removed);
      if (failure !== undefined) throw failure;
      return removed.length;
    },
  };
}

interface Original {
  tenant: string;
  original: string;
}

/**
 * Marks what nobody has touched for so long: it is out of use from then on, and left to whoever marked it until it is as
 * old again. The lock makes sure of its age; a submission touches the row right before it is accepted.
 */
const marking = (condition: string) => `
  with due as (
    select tenant, original from originals o
    where o.touched_at < now() - $1::float8 * interval '1 millisecond' and ${condition}
    limit $2 for update skip locked)
  update originals o set removing = true, touched_at = now() from due
  where o.tenant = due.tenant and o.original = due.original
  returning o.tenant, o.original`;

/** A head needs its original, also when it was dead-lettered: it may be replayed. A tombstone names none. */
const NEEDLESS = `not o.removing and not exists (select from versions v
  join documents d on d.tenant = v.tenant and d.document = v.document and d.head = v.version
  where v.tenant = o.tenant and v.original = o.original)`;
