import type { Hit } from '../../../contracts.ts';
import { type Emitted, toCloudEvent } from '../../../events.ts';
import type { Caller } from '../../../stage.ts';
import type { DocumentStore } from '../port.ts';
import type { DocumentRef, NewDeadLetter, NewDocument, StoredChunk } from '../records.ts';

let tenants = 0;
/** Each test has a tenant of its own, so that it sees only what it wrote. */
export const newTenant = () => `tenant-${++tenants}`;

export const GENERATION = 'model.4.c32o4';

/** A document to be accepted; `content` stands for its bytes. */
export function given(
  tenant: string,
  document: string,
  content = 'one',
  more: Partial<NewDocument> = {},
): NewDocument {
  return {
    tenant,
    document,
    collection: 'default',
    generation: GENERATION,
    title: null,
    uri: null,
    contentType: 'text/plain',
    contentHash: content,
    bytes: content.length,
    original: `${tenant}/${content}`,
    metadata: {},
    acl: ['*'],
    ...more,
  };
}

export const chunk = (ordinal: number, text = `chunk ${ordinal}`): StoredChunk => ({
  chunk: ordinal,
  text,
  start: ordinal * 10,
  end: ordinal * 10 + text.length,
  headings: ['A', 'B'],
  tokens: 3,
});
export const chunksOf = (count: number) => Array.from({ length: count }, (_, ordinal) => chunk(ordinal));
export const hit = ({ document, version }: Omit<DocumentRef, 'tenant'>, ordinal = 0): Hit => ({
  document,
  version,
  chunk: ordinal,
  score: 1,
});

/** A dead letter of now. */
export const letter = (
  tenant: string,
  id: string,
  emitted: Emitted,
  more: Partial<NewDeadLetter> = {},
): NewDeadLetter => ({
  tenant,
  id,
  event: toCloudEvent('gateway', emitted, { tenant }),
  code: 'internal',
  message: 'broken',
  destination: '',
  receivedAt: new Date().toISOString(),
  ...more,
});

/** Somebody with these principals, and what is everybody's. */
export const as = (tenant: string, ...principals: string[]): Caller => ({
  tenant,
  principals: ['*', ...principals],
});
export const everybody = (tenant: string) => as(tenant);

/** Steps that many tests take, on the store under test. */
export function using(store: () => DocumentStore) {
  async function accepted(document: NewDocument): Promise<DocumentRef> {
    const { version } = await store().accept(document);
    return { tenant: document.tenant, document: document.document, version };
  }
  /** Accepts a document and brings it to `indexed`. */
  async function indexed(document: NewDocument, chunks = chunksOf(1)): Promise<DocumentRef> {
    const ref = await accepted(document);
    await finish(ref, chunks);
    return ref;
  }
  /** Brings an accepted version to `indexed`. */
  async function finish(ref: DocumentRef, chunks = chunksOf(1)): Promise<void> {
    await store().saveChunks(ref, { title: null, chunks });
    await store().recordIndexed(
      ref,
      chunks.map((each) => each.chunk),
    );
    await store().complete(ref);
  }
  /** The tenant's part of everything that is in the outbox, which is acknowledged. */
  async function drain(tenant: string) {
    const entries = await store().claimOutbox(1000);
    await store().ackOutbox(entries.map(({ id }) => id));
    return entries.filter((entry) => entry.tenant === tenant).map(({ emitted }) => emitted);
  }
  const stateOf = async (ref: DocumentRef) => (await store().version(ref))?.state;
  return { accepted, indexed, finish, drain, stateOf };
}
