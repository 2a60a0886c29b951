import { z } from 'zod';
import {
  CollectionName,
  DocumentId,
  GenerateOutput,
  Hit,
  Metadata,
  Passage,
  SearchOptions,
  VectorBytes,
  Version,
} from './contracts.ts';
import { uuidv5 } from './ids.ts';

/**
 * The event catalogue: every type that travels through the Broker, with the schema of its data.
 * Full type names are `dev.knarr.<key>.v1`.
 */

const DocumentReference = z.object({ document: DocumentId, version: Version, collection: CollectionName });
const Batch = z.object({
  batch: z.int().min(0).meta({ description: 'Which batch of the version, from 0.' }),
  batches: z.int().min(1).meta({ description: 'Of how many.' }),
});
const ChunkOrdinal = z.int().min(0);

const Ask = SearchOptions.extend({
  query: z.string().meta({ description: "The question's id, under which its answer is found." }),
  question: z.string().min(1).max(8192),
  neighbours: z
    .int()
    .min(0)
    .max(5)
    .default(0)
    .meta({ description: 'Chunks to add before and after each hit.' }),
  principals: z
    .array(z.string().max(256))
    .max(256)
    .meta({ description: 'Whom the asker may read for, as the gateway has verified it.' }),
  degraded: z
    .array(z.string())
    .default([])
    .meta({ description: 'Every step that was skipped or cut so far.' }),
  timings: z
    .record(z.string(), z.number())
    .default({})
    .meta({ description: 'Milliseconds that each finished stage took.' }),
});

export const EVENTS = {
  'document.submitted': z
    .object({
      document: DocumentId,
      title: z.string().max(1024).optional(),
      text: z
        .string()
        .max(48 * 1024)
        .optional(),
      uri: z.url().max(2048).optional(),
      content_type: z.string().max(128).optional(),
      metadata: Metadata.optional(),
      acl: z.array(z.string().max(256)).max(256).optional(),
      collection: CollectionName.optional(),
      submitter: z
        .object({
          actor: z.string().max(300),
          principals: z.array(z.string().max(256)).max(256),
          collections: z.array(CollectionName).optional(),
        })
        .optional()
        .meta({
          description:
            'Whose rights it has, where the producer speaks for somebody. Absent: those of the whole tenant.',
        }),
    })
    .meta({
      description:
        'A document for Knarr, from any producer: `text`, or a `uri` to read it from. The event form of `PUT /v1/documents/{id}`. For a day the same `source` and `id` again change nothing, whatever the `uri` holds by then: a change is an event of its own. Neither does an event whose `time` lies before that of the newest submission of its document, or before its deletion: it comes late, by a retry or a replay. The clocks of producers that write the same document therefore have to agree; a `time` to come counts as now, and an event without one as of its arrival, in whatever order the Broker brings it.',
    }),
  'document.accepted': DocumentReference.extend({
    afresh: z
      .boolean()
      .optional()
      .meta({ description: 'True: embed every chunk anew, although its vector is there.' }),
    again: z.boolean().optional().meta({
      description: 'True: read it although it is indexed; else an event that comes late is dropped.',
    }),
  }).meta({ description: 'A version has been accepted for good and is to be read. It goes by reference.' }),
  'chunks.created': DocumentReference.extend(Batch.shape)
    .extend({
      generation: z.string(),
      chunks: z.array(z.object({ chunk: ChunkOrdinal, context: z.string(), text: z.string() })).meta({
        description: '`context` (title and heading path) goes in front of `text` when it is embedded.',
      }),
    })
    .meta({ description: 'A version has been cut into chunks; this is a batch of them.' }),
  'chunks.embedded': DocumentReference.extend(Batch.shape)
    .extend({
      generation: z.string(),
      model: z.string(),
      dimensions: z.int(),
      vectors: z.array(z.object({ chunk: ChunkOrdinal, vector: VectorBytes })),
    })
    .meta({ description: 'Chunks of a batch have their vectors: base64 of little-endian float32 values.' }),
  'document.deleted': DocumentReference.meta({
    description: 'A document was deleted. The delete is a version, too: all before it goes.',
  }),
  'document.indexed': DocumentReference.extend({ chunks: z.int(), generation: z.string() }).meta({
    description: 'Every chunk of the version can be found.',
  }),
  'document.failed': DocumentReference.extend({ code: z.string(), reason: z.string().max(512) }).meta({
    description: 'The version will never be found, and why.',
  }),
  'timer.fired': z
    .object({ task: z.enum(['sweep', 'reconcile', 'resume']).default('sweep') })
    .meta({ description: 'It is time for upkeep, says a PingSource.' }),
  'query.asked': Ask.meta({ description: 'A question that is to be answered without anybody waiting.' }),
  'query.embedded': Ask.extend({ vector: VectorBytes.optional(), model: z.string().optional() }).meta({
    description: 'The question has its vector; a lexical one needs none.',
  }),
  'query.matched': Ask.extend({ hits: z.array(Hit) }).meta({
    description: 'Chunks that fit the question, best first.',
  }),
  'query.grounded': Ask.extend({ passages: z.array(Passage) }).meta({
    description: 'Of those the passages that are current and that the asker may read.',
  }),
  'query.answered': Ask.extend({ passages: z.array(Passage), result: GenerateOutput }).meta({
    description: 'The answer, with the passages that it rests on.',
  }),
} as const;

export type EventName = keyof typeof EVENTS;
export type EventData<N extends EventName> = z.infer<(typeof EVENTS)[N]>;

/** Types that a document's version waits for. */
export const OF_A_VERSION: readonly EventName[] = ['document.accepted', 'chunks.created', 'chunks.embedded'];
/** Types that nothing in Knarr consumes: they are for outside subscribers. */
export const TERMINAL: readonly EventName[] = ['document.indexed', 'document.failed'];

const PREFIX = 'dev.knarr.';
const SUFFIX = '.v1';
/** The one type that is not ours to name: what a PingSource sends. */
const TIMER: { name: EventName; type: string } = { name: 'timer.fired', type: 'dev.knative.sources.ping' };
export const eventType = (name: EventName): string =>
  name === TIMER.name ? TIMER.type : `${PREFIX}${name}${SUFFIX}`;
export function eventName(type: string): EventName | undefined {
  if (type === TIMER.type) return TIMER.name;
  const name =
    type.startsWith(PREFIX) && type.endsWith(SUFFIX) ? type.slice(PREFIX.length, -SUFFIX.length) : '';
  return Object.hasOwn(EVENTS, name) ? (name as EventName) : undefined;
}

/** A CloudEvent 1.0 in memory: context attributes and extensions side by side, as in the JSON format. */
export interface CloudEvent<T = unknown> {
  specversion: '1.0';
  id: string;
  source: string;
  type: string;
  subject?: string;
  time?: string;
  datacontenttype?: string;
  dataschema?: string;
  data?: T;
  [extension: string]: unknown;
}

/** What a Broker sends to a dead letter sink. */
export const isDeadLetter = (event: CloudEvent): boolean =>
  'knativeerrorcode' in event || 'knativeerrordest' in event;

/** What a handler wants said; the runtime makes the CloudEvent of it. `subject` is the document or query id. */
export interface Emitted<N extends EventName = EventName> {
  name: N;
  subject: string;
  data: EventData<N>;
  /** Whose it is, where the work was of several tenants; else the tenant that it was done for. */
  tenant?: string;
}
export function emit<N extends EventName>(name: N, subject: string, data: EventData<N>): Emitted<N> {
  return { name, subject, data };
}

/** Extensions that every event of Knarr carries where they apply. */
export interface EventExtensions {
  tenant: string;
  traceparent?: string;
  tracestate?: string;
  /** RFC 3339 instant after which the work is pointless. */
  deadline?: string;
  correlationid?: string;
}

/**
 * The CloudEvent of an emitted fact. Its id is derived from tenant, type, subject and data, so the same fact
 * said twice has the same id. How long it took to find out is no part of the fact.
 */
export function toCloudEvent(stage: string, emitted: Emitted, extensions: EventExtensions): CloudEvent {
  const type = eventType(emitted.name);
  const { traceparent, tracestate, deadline, correlationid } = extensions;
  const tenant = emitted.tenant ?? extensions.tenant;
  const { timings: _, ...fact } = emitted.data as { timings?: unknown };
  return {
    specversion: '1.0',
    id: uuidv5('event', tenant, type, emitted.subject, JSON.stringify(fact)),
    source: `/knarr/${stage}`,
    type,
    subject: emitted.subject,
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    tenant,
    partitionkey: `${tenant}/${emitted.subject}`,
    ...(traceparent !== undefined && { traceparent }),
    ...(tracestate !== undefined && { tracestate }),
    ...(deadline !== undefined && { deadline }),
    ...(correlationid !== undefined && { correlationid }),
    data: emitted.data,
  };
}

/**
 * Events stay under 64 KiB (CloudEvents spec, "Size Limits"). 12 KiB are left for attributes and envelope: the longest
 * document id stands in two attributes, percent-encoded.
 */
export const MAX_EVENT_BYTES = 64 * 1024;
export const MAX_EVENT_DATA_BYTES = 52 * 1024;

/** Bytes of an item's JSON. */
export const jsonBytes = (item: unknown): number => Buffer.byteLength(JSON.stringify(item));

/**
 * Splits items into runs whose JSON stays within `limit` bytes, in order, at least one item a run. `bytesOf` says what
 * an item takes; one that alone exceeds the limit gets a run of its own: the caller must have bounded it.
 */
export function batchBySize<T>(
  items: readonly T[],
  limit = MAX_EVENT_DATA_BYTES,
  bytesOf: (item: T) => number = jsonBytes,
): T[][] {
  const runs: T[][] = [];
  let run: T[] = [];
  let size = 0;
  for (const item of items) {
    const bytes = bytesOf(item) + 1;
    if (run.length > 0 && size + bytes > limit) {
      runs.push(run);
      run = [];
      size = 0;
    }
    run.push(item);
    size += bytes;
  }
  if (run.length > 0) runs.push(run);
  return runs;
}
