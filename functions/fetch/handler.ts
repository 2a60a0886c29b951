import { type FetchInput, type FetchOutput, overfetch, type Passage } from '../_shared/contracts.ts';
import { type Emitted, type EventData, emit, MAX_EVENT_DATA_BYTES } from '../_shared/events.ts';
import type { Caller, Context, EventContext } from '../_shared/stage.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import { toPassages } from './passages.ts';

export interface FetchDeps {
  documents: Pick<DocumentStore, 'currentChunks' | 'ping' | 'close'>;
}

/** Room that the answer needs beside its passages in `query.answered`, bytes. */
const ANSWER_BYTES = 12 * 1024;

/** The passages of those hits that are current and that the caller may read. */
export function fetchPassages(input: FetchInput, context: Context<FetchDeps>): Promise<FetchOutput> {
  return read(input, context, context.deps);
}

/**
 * Grounds an asynchronous question: its principals come with the event. Passages that do not fit into an event are
 * left out from the end, which `degraded` names `fetch.truncated`; `search.stale` says that hits which are not current
 * may hide others that are.
 */
export async function groundQuestion(
  { hits, ...ask }: EventData<'query.matched'>,
  context: EventContext<FetchDeps>,
): Promise<Emitted> {
  const started = performance.now();
  const caller = { tenant: context.tenant, principals: ask.principals };
  const found = await read({ hits, neighbours: ask.neighbours }, caller, context.deps);
  const wanted = found.passages.slice(0, ask.limit);
  const passages = fitting(wanted, MAX_EVENT_DATA_BYTES - ANSWER_BYTES - jsonBytes(ask));
  const isShort = found.dropped > 0 && wanted.length < ask.limit && hits.length >= overfetch(ask.limit);
  return emit('query.grounded', context.event.subject ?? ask.query, {
    ...ask,
    passages,
    degraded: [
      ...ask.degraded,
      ...(passages.length < wanted.length ? ['fetch.truncated'] : []),
      ...(isShort ? ['search.stale'] : []),
    ],
    timings: { ...ask.timings, fetch: performance.now() - started },
  });
}

async function read(
  { hits, neighbours }: FetchInput,
  caller: Caller,
  { documents }: FetchDeps,
): Promise<FetchOutput> {
  if (hits.length === 0) return { passages: [], dropped: 0 };
  return toPassages(hits, await documents.currentChunks(caller, hits, neighbours), neighbours);
}

const jsonBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** The longest beginning whose JSON stays within `limit` bytes. */
function fitting(passages: readonly Passage[], limit: number): Passage[] {
  let size = 0;
  const end = passages.findIndex((passage) => {
    size += jsonBytes(passage) + 1;
    return size > limit;
  });
  return end === -1 ? [...passages] : passages.slice(0, end);
}
