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

  /** False when it was touched since it was marked, and is kept. */
  function removeHeld(
    { tenant, original, marked_at }: Original,
    remove: (original: string) => Promise<void>,
  ): Promise<boolean> {
    return database.transaction(async (tx) => {
      const { affected } = await tx.query(
        `delete from originals
         where tenant = $1 and original = $2 and touched_at = $3::text::timestamptz`,
        [tenant, original, marked_at],
      );
      if (affected === 1) await remove(original);
      return affected === 1;
    });
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
      for (const condition of ['o.removing', 'not o.removing']) {
        const { rows } = await database.query<Original>(marking(condition), [
          olderThanMs,
          limit - due.length,
        ]);
        due.push(...rows);
      }
      const removed: Original[] = [];
      let held = 0;
      let failure: unknown;
      for (const one of due) {
        try {
          if (one.is_older) {
            if (await removeHeld(one, remove)) held++;
          } else {
            await remove(one.original);
            removed.push(one);
          }
        } catch (thrown) {
          failure ??= thrown;
          // Each of the others would take as long to fail.
          if (KnarrError.from(thrown).code === 'unavailable') break;
        }
      }
      await forget(removed);
      if (failure !== undefined) throw failure;
      return removed.length + held;
    },
  };
}

interface Original {
  tenant: string;
  original: string;
  marked_at: string;
  /** An older release has kept it, and uses its key again however it is marked: it has to wait for the removal. */
  is_older: boolean;
}

/**
 * Marks what nobody has touched for so long and no head needs: it is out of use from then on, and left to whoever marked it
 * until it is as old again. The lock makes sure of its age; a submission touches the row right before it is accepted. A head
 * needs its original also when it was dead-lettered: it may be replayed. A tombstone names none. What was marked before may
 * be needed again, by a head that an older release has accepted.
 */
const marking = (condition: string) => `
  with due as (
    select tenant, original from originals o
    where o.touched_at < now() - $1::float8 * interval '1 millisecond' and ${condition}
      and not exists (select from versions v
        join documents d on d.tenant = v.tenant and d.document = v.document and d.head = v.version
        where v.tenant = o.tenant and v.original = o.original)
    limit $2 for update skip locked)
  update originals o set removing = true, touched_at = now() from due
  where o.tenant = due.tenant and o.original = due.original
  returning o.tenant, o.original, o.touched_at::text as marked_at, o.content_hash is null as is_older`;
