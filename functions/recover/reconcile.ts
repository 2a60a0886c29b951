import { chunkContext, withContext } from '../_shared/chunk.ts';
import type { Drift } from '../_shared/contracts.ts';
import { pointId, textHash } from '../_shared/ids.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import type { ChunkRow, DocumentRef, ExpectedChunk } from '../_shared/stores/documents/records.ts';
import type { StoredPoint, VectorScope, VectorStore } from '../_shared/stores/vectors/port.ts';

export interface ReconcileDeps {
  documents: Pick<DocumentStore, 'liveChunks' | 'underWay' | 'expectedChunks' | 'redrive'>;
  vectors: Pick<VectorStore, 'scopes' | 'scan' | 'present' | 'removePoints'>;
}

/**
 * Compares points with the ledger: each must belong to a chunk that is live, under its one id and with its text. Of documents
 * that are being worked on, points of older versions are no drift. Adds to `drift`; a repair removes what is too many.
 */
export async function checkPoints(
  scope: VectorScope,
  points: readonly StoredPoint[],
  { documents, vectors }: ReconcileDeps,
  drift: Drift,
  repair: boolean,
): Promise<void> {
  if (points.length === 0) return;
  drift.points += points.length;
  const { tenant } = scope;
  const live = new Map((await documents.liveChunks(tenant, points)).map((row) => [keyOf(row), row]));
  const found = points.map((point) => ({ point, kind: kindOf(point, live.get(keyOf(point)), scope) }));
  const wrong = found.filter(({ kind }) => kind !== undefined);
  if (wrong.length === 0) return;
  const busy = await documents.underWay(tenant, [...new Set(wrong.map(({ point }) => point.document))]);
  const settled = wrong.filter(({ point }) => !busy.has(point.document));
  // A document that was updated or deleted since the page was read has lost its old points meanwhile.
  const still = await vectors.present(
    scope,
    settled.map(({ point }) => point.id),
  );
  const drifted = settled.filter(({ point }) => still.has(point.id));
  for (const { kind } of drifted) if (kind) drift[kind]++;
  if (!repair || drifted.length === 0) return;
  const stale = drifted.filter(({ kind }) => kind === 'wrong_hash').map(({ point }) => refOf(tenant, point));
  await vectors.removePoints(
    scope,
    drifted.map(({ point }) => point.id),
  );
  await documents.redrive(distinct(stale));
}

function kindOf(
  point: StoredPoint,
  row: ChunkRow | undefined,
  { tenant, collection, generation }: VectorScope,
): 'phantom' | 'duplicate' | 'wrong_hash' | undefined {
  if (!row || row.collection !== collection || row.generation !== generation) return 'phantom';
  if (point.id !== idOf(tenant, row)) return 'duplicate';
  return point.hash === textHash(withContext(chunkContext(row.title, row.headings), row.text))
    ? undefined
    : 'wrong_hash';
}

/** Compares chunks of indexed documents with the vector store: each must have its point. A repair sends off again what has none. */
export async function checkChunks(
  chunks: readonly ExpectedChunk[],
  { documents, vectors }: ReconcileDeps,
  drift: Drift,
  repair: boolean,
): Promise<void> {
  drift.chunks += chunks.length;
  const scopes = new Map<string, ExpectedChunk[]>();
  for (const chunk of chunks) {
    const key = JSON.stringify([chunk.tenant, chunk.collection, chunk.generation]);
    scopes.set(key, [...(scopes.get(key) ?? []), chunk]);
  }
  for (const group of scopes.values()) {
    const [{ tenant, collection, generation }] = group as [ExpectedChunk];
    const ids = group.map((chunk) => idOf(tenant, chunk));
    const there = await vectors.present({ tenant, collection, generation }, ids);
    const missing = group.filter((_, place) => !there.has(ids[place] as string));
    if (missing.length === 0) continue;
    // Updated or deleted since the page was read.
    const live = new Set((await documents.liveChunks(tenant, missing)).map(keyOf));
    const lost = missing.filter((chunk) => live.has(keyOf(chunk)));
    drift.missing += lost.length;
    if (repair) await documents.redrive(distinct(lost.map((chunk) => refOf(tenant, chunk))));
  }
}

const idOf = (tenant: string, { document, version, chunk, generation }: ChunkRow): string =>
  pointId(tenant, document, version, chunk, generation);
const keyOf = ({ document, version, chunk }: Pick<StoredPoint, 'document' | 'version' | 'chunk'>): string =>
  JSON.stringify([document, version, chunk]);
const refOf = (tenant: string, { document, version }: Pick<StoredPoint, 'document' | 'version'>) => ({
  tenant,
  document,
  version,
});
const distinct = (refs: readonly DocumentRef[]): DocumentRef[] => [
  ...new Map(refs.map((ref) => [JSON.stringify([ref.tenant, ref.document, ref.version]), ref])).values(),
];
