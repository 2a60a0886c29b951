import { z } from 'zod';
import { Drift } from '../_shared/contracts.ts';
import { KnarrError } from '../_shared/errors.ts';
import type { Context } from '../_shared/stage.ts';
import type { ChunkPosition } from '../_shared/stores/documents/port.ts';
import { fromCursor, toCursor } from '../_shared/stores/documents/text.ts';
import type { VectorScope } from '../_shared/stores/vectors/port.ts';
import { checkChunks, checkPoints, type ReconcileDeps } from './reconcile.ts';

/** A place in a comparison: in the points of a scope (`after` null: behind them all), or in the chunks. */
const Place = z.union([
  z.strictObject({ scope: z.tuple([z.string(), z.string(), z.string()]), after: z.string().nullable() }),
  z.strictObject({ chunk: z.tuple([z.string(), z.string(), z.int32()]).nullable() }),
]);

/** What a comparison has found so far and where it goes on; no place: it has come to its end. */
export interface Progress {
  drift: Drift;
  place?: z.infer<typeof Place> | undefined;
}

const Begun = z.strictObject({ drift: Drift.omit({ next: true }), place: Place });

/** As one opaque string, for {@link compare} to go on from; undefined at the end. */
export const cursorOf = ({ drift, place }: Progress): string | undefined =>
  place && toCursor([JSON.stringify({ drift, place })]);

/** Whether {@link compare} can go on from it: a cursor of another release may be none. */
export function isCursor(cursor: string): boolean {
  try {
    begun(cursor);
    return true;
  } catch {
    return false;
  }
}

function begun(cursor: string): z.infer<typeof Begun> {
  const [text = ''] = fromCursor(cursor, 1);
  try {
    return Begun.parse(JSON.parse(text));
  } catch {
    throw new KnarrError('invalid_request', 'cursor: not one that a comparison gave out.');
  }
}

/**
 * Compares the ledger with the vector store, in pages, and says after each how far it has come: first every point, then
 * every chunk. Throws `invalid_request` for a cursor that is none.
 */
export async function* compare(
  { deps, signal }: Pick<Context<ReconcileDeps>, 'deps' | 'signal'>,
  { repair, cursor, pageSize }: { repair: boolean; cursor?: string | undefined; pageSize: number },
): AsyncGenerator<Progress> {
  const from: Progress | undefined = cursor === undefined ? undefined : begun(cursor);
  const drift: Drift = { ...(from?.drift ?? NOTHING), repaired: repair && (from?.drift.repaired ?? true) };
  let position: ChunkPosition | undefined;
  const at = from?.place;
  if (at && 'chunk' in at) position = at.chunk ?? undefined;
  else {
    for (const { scope, name } of inOrder(await deps.vectors.scopes())) {
      const order = at ? byName(name, at.scope) : 1;
      if (order < 0 || (order === 0 && at?.after === null)) continue;
      let after = order === 0 ? (at?.after ?? undefined) : undefined;
      do {
        signal.throwIfAborted();
        const points = await deps.vectors.scan(scope, { after, limit: pageSize });
        await checkPoints(scope, points, deps, drift, repair);
        after = points.length === pageSize ? points.at(-1)?.id : undefined;
        yield { drift: { ...drift }, place: { scope: name, after: after ?? null } };
      } while (after !== undefined);
    }
  }
  do {
    signal.throwIfAborted();
    const chunks = await deps.documents.expectedChunks(position, pageSize);
    await checkChunks(chunks, deps, drift, repair);
    const last = chunks.length === pageSize ? chunks.at(-1) : undefined;
    position = last && [last.tenant, last.document, last.chunk];
    yield { drift: { ...drift }, place: position && { chunk: [...position] } };
  } while (position !== undefined);
}

const NOTHING = { points: 0, chunks: 0, missing: 0, phantom: 0, duplicate: 0, wrong_hash: 0 };

type Name = [tenant: string, collection: string, generation: string];
const byName = (a: Name, b: Name): number => {
  const place = a.findIndex((part, n) => part !== b[n]);
  return place === -1 ? 0 : (a[place] as string) < (b[place] as string) ? -1 : 1;
};

/** In the same order every time, so that a comparison can go on where it was. */
const inOrder = (scopes: readonly VectorScope[]) =>
  scopes
    .map((scope) => ({ scope, name: [scope.tenant, scope.collection, scope.generation] as Name }))
    .sort((a, b) => byName(a.name, b.name));
