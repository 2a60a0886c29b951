import { overfetch, type SearchInput, type SearchMode, type SearchOutput } from '../_shared/contracts.ts';
import { KnarrError } from '../_shared/errors.ts';
import { batchBySize, type Emitted, type EventData, emit, MAX_EVENT_DATA_BYTES } from '../_shared/events.ts';
import { parseGenerationId } from '../_shared/generation.ts';
import type { Caller, Context, EventContext } from '../_shared/stage.ts';
import type { DocumentStore } from '../_shared/stores/documents/port.ts';
import type { VectorStore, WorkTime } from '../_shared/stores/vectors/port.ts';
import { decodeVector } from '../_shared/vectors.ts';

export interface SearchDeps {
  vectors: Pick<VectorStore, 'search' | 'ping'>;
  documents: Pick<DocumentStore, 'activeIndex' | 'mayEnter' | 'close'>;
}

/** Ranked chunks of the collection's active generation that the caller may read; `degraded` says while not all are in it. */
export function search(input: SearchInput, context: Context<SearchDeps>): Promise<SearchOutput> {
  return find(input, context, context.deps);
}

/**
 * Searches for an asynchronous question, whose principals come with the event. Hits that do not fit into an event are
 * left out from the end, which `degraded` names `search.truncated` when fewer are left than are wanted.
 */
export async function matchQuestion(
  { vector, model, ...ask }: EventData<'query.embedded'>,
  context: EventContext<SearchDeps>,
): Promise<Emitted> {
  const started = performance.now();
  const caller = { ...context, principals: ask.principals };
  const limit = overfetch(ask.limit);
  const input = { ...ask, query: ask.question, vector, model, limit };
  const { hits, degraded } = await find(input, caller, context.deps);
  const room = MAX_EVENT_DATA_BYTES - Buffer.byteLength(JSON.stringify(ask));
  const [fitting = []] = batchBySize(hits, room);
  const cut = fitting.length < Math.min(hits.length, ask.limit) ? ['search.truncated'] : [];
  return emit('query.matched', ask.query, {
    ...ask,
    hits: fitting,
    degraded: [...ask.degraded, ...degraded, ...cut],
    timings: { ...ask.timings, search: performance.now() - started },
  });
}

/** To whoever may read nothing in it, a collection is not there. */
async function find(input: SearchInput, caller: Caller & WorkTime, deps: SearchDeps): Promise<SearchOutput> {
  const { collection } = input;
  const isThere = () => deps.documents.mayEnter(caller, collection);
  const found = await rank(input, caller, deps).catch(async (thrown) => {
    const isTelling = thrown instanceof KnarrError && thrown.code === 'model_mismatch';
    throw isTelling && !(await isThere()) ? unknown(collection) : thrown;
  });
  if (found.hits.length === 0 && !(await isThere())) throw unknown(collection);
  return found;
}

const unknown = (collection: string) =>
  new KnarrError('unknown_collection', `There is no collection ${collection}.`);

async function rank(input: SearchInput, caller: Caller & WorkTime, deps: SearchDeps): Promise<SearchOutput> {
  const { collection, query, limit, filter, ef } = input;
  const index = await deps.documents.activeIndex(caller.tenant, collection);
  if (index === undefined) throw unknown(collection);
  const { generation, rebuilding } = index;
  const built = parseGenerationId(generation);
  checkModel(input.model, built?.model);
  const mode = modeFor(input);
  const vector =
    mode === 'lexical' || input.vector === undefined
      ? undefined
      : decodeVector(input.vector, built?.dimensions);
  const hits = await deps.vectors
    .search({ tenant: caller.tenant, collection, generation }, caller, {
      mode,
      vector,
      text: query,
      limit,
      filter,
      ef,
    })
    .catch((thrown) => {
      // The collection exists, but none of its documents has been indexed yet.
      if (thrown instanceof KnarrError && thrown.code === 'unknown_collection') return [];
      throw thrown;
    });
  return {
    hits: hits.map(({ document, version, chunk, score }) => ({ document, version, chunk, score })),
    mode,
    degraded: [...(mode === input.mode ? [] : ['embed']), ...(rebuilding ? ['search.rebuilding'] : [])],
  };
}

/** Without a vector, hybrid search goes on with words alone; dense search cannot. */
function modeFor({ mode, vector }: SearchInput): SearchMode {
  if (vector !== undefined || mode === 'lexical') return mode;
  if (mode === 'hybrid') return 'lexical';
  throw new KnarrError('invalid_request', 'A dense search needs a vector.');
}

function checkModel(model: string | undefined, built: string | undefined): void {
  if (model === undefined || built === undefined || model === built) return;
  throw new KnarrError(
    'model_mismatch',
    `The vector was made by ${model}; the collection was built with ${built}. A rebuild moves it.`,
  );
}
