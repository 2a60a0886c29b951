import type { Drift } from '../../../_shared/contracts.ts';
import type { ApiClient } from '../client.ts';
import type { Output } from '../output.ts';

export interface ReplayOptions {
  all?: boolean;
  type?: string;
  code?: string;
  subject?: string;
  limit: number;
}

/** `knarr replay`: sends dead letters off again. Exit code 1 when none matched. */
export async function replay(
  client: ApiClient,
  output: Output,
  ids: string[],
  { all, ...filter }: ReplayOptions,
): Promise<number> {
  let replayed = 0;
  for (const id of ids) {
    await client.json('POST', `/v1/dead-letters/${encodeURIComponent(id)}/replay`);
    replayed++;
  }
  if (ids.length === 0) {
    const isNarrowed = filter.type ?? filter.code ?? filter.subject;
    if (!all && isNarrowed === undefined) {
      throw new Error('Name dead letters by id, narrow them by --type, --code or --subject, or say --all.');
    }
    ({ replayed } = await client.json<{ replayed: number }>('POST', '/v1/dead-letters:replay', filter));
  }
  output.data({ replayed });
  output.text(`${replayed} sent off again; what fails again is a dead letter again.`);
  return replayed > 0 ? 0 : 1;
}

/** `knarr reconcile`: compares ledger and vector store. Exit code 2 when they differ. */
export async function reconcile(
  client: ApiClient,
  output: Output,
  { repair }: { repair: boolean },
): Promise<number> {
  const compare = (more: { cursor?: string }) =>
    client.json<Drift>('POST', '/v1/admin/reconcile', { repair, ...more });
  let drift = await compare({});
  while (drift.next !== undefined) drift = await compare({ cursor: drift.next });
  output.data(drift);
  output.text(`${drift.points} points and ${drift.chunks} chunks compared:`);
  const { missing, phantom, duplicate, wrong_hash } = drift;
  output.table(
    ['missing', 'phantom', 'duplicate', 'of another text'],
    [[missing, phantom, duplicate, wrong_hash]],
  );
  const sum = missing + phantom + duplicate + wrong_hash;
  if (sum > 0) output.text(repair ? 'Repaired, or on its way.' : 'Nothing was changed.');
  return sum > 0 ? 2 : 0;
}

/** `knarr rebuild`: makes the vectors of every document, or of a collection's, anew. */
export async function rebuild(
  client: ApiClient,
  output: Output,
  { collection }: { collection?: string },
): Promise<number> {
  const given = collection === undefined ? {} : { collection };
  const begun = await client.json<{ rebuilding: number; more?: true }>('POST', '/v1/admin/rebuild', given);
  output.data(begun);
  const rest = begun.more ? ', the others in the minutes to come' : '';
  output.text(`${begun.rebuilding} documents are being embedded anew${rest}.`);
  return 0;
}
