import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError, duration } from '../../../_shared/config.ts';
import { KnarrError } from '../../../_shared/errors.ts';
import { EVENTS, type EventData, emit, toCloudEvent } from '../../../_shared/events.ts';
import { uuidv5 } from '../../../_shared/ids.ts';
import { httpPublisher, retryPause } from '../../../_shared/publisher.ts';
import type { Publisher } from '../../../_shared/stage.ts';
import { splitLines } from '../../../gateway/accept/lines.ts';
import type { Output } from '../output.ts';
import { type Feed, feedAt } from '../stream/feed.ts';
import { type Reading, streamMemory } from '../stream/memory.ts';

export interface PublishOptions {
  /** The Broker's ingress; in a container of Knative's the environment names it. */
  sink: string;
  tenant: string;
  /** Read the stream once instead of again and again. */
  once?: boolean;
  /** From the beginning of one reading to that of the next, as `60s`. */
  every?: string;
}

/** What was read of a stream. */
export interface PublishSummary {
  published: number;
  /** Lines that are no document, or that the Broker refuses for good. */
  refused: number;
}

/** An event stays below 64 KiB: larger documents go by `uri`. */
const MAX_LINE_BYTES = 64 * 1024;

/**
 * `knarr publish`: documents from a stream of NDJSON (an address, or `-` for standard input), each line the data of a
 * `document.submitted`, to a Broker. As the container of a ContainerSource it makes any such stream a source of
 * documents. A line that is none, or that the Broker refuses for good, is told and passed over.
 *
 * An address is read again, every so often when it came to its end, soon and ever slower when it failed. Then only what
 * is new is published: of a stream that is all there each time (its server sends `Content-Length`, `ETag` or
 * `Last-Modified`) the lines that are not where they were, of any other those that are not the document's last one.
 * So a document that was deleted stays so until its line changes, or this process begins anew and reads it once more.
 *
 * At least once: a line is published again after a failure and after a new start. By the same `Last-Modified` it is then
 * the same event, which changes nothing for a day; else another one, which changes nothing while the document says the
 * same. A change is always an event of its own, also one back to what was before. What the Broker has taken is the
 * Broker's to deliver: what one without a disk loses is published again by a new start.
 */
export async function publish(
  output: Output,
  from: string,
  { sink, tenant, once = false, every = '60s' }: PublishOptions,
  signal: AbortSignal,
): Promise<number> {
  const everyMs = duration('60s').safeParse(every);
  if (!everyMs.success) throw new ConfigError([`--every ${every}: expected 30s, 5m`]);
  const publisher = httpPublisher(sink);
  const feed = from === '-' ? standardInput : feedAt(from);
  const isOnce = once || from === '-';
  const memory = streamMemory();
  const total: PublishSummary = { published: 0, refused: 0 };
  let failures = 0;
  while (!signal.aborted) {
    const { published } = total;
    const next = Date.now() + everyMs.data;
    let pause: number;
    try {
      await readOnce(feed, memory, tenant, publisher, output, signal, total);
      failures = 0;
      pause = Math.max(next - Date.now(), SHORTEST_PAUSE_MS);
    } catch (thrown) {
      if (signal.aborted) break;
      if (isOnce) throw thrown;
      output.note(`knarr: ${KnarrError.from(thrown).message} Again soon.`);
      failures = total.published > published ? 1 : failures + 1;
      pause = retryPause(failures, undefined);
    }
    if (isOnce) break;
    await sleep(pause, undefined, { signal }).catch(() => {});
  }
  output.data(total);
  output.text(`published ${total.published}, passed over ${total.refused}`);
  return total.refused > 0 && once ? 1 : 0;
}

/** Between two readings, however short a time is asked for. */
const SHORTEST_PAUSE_MS = 200;

const standardInput: Feed = { open: async () => ({ body: process.stdin, done() {} }) };

/** Reads what the feed has now, and adds to `total` what came of it. */
async function readOnce(
  feed: Feed,
  memory: ReturnType<typeof streamMemory>,
  tenant: string,
  publisher: Publisher,
  output: Output,
  signal: AbortSignal,
  total: PublishSummary,
): Promise<void> {
  const opened = await feed.open(signal);
  if (!opened) return;
  const reading = memory.begin(opened);
  await publishLines(opened.body, tenant, publisher, output, signal, reading, total);
  if (reading.end()) opened.done();
}

/**
 * Publishes what the lines say, in order, so that of two versions of a document the later one comes last; and each with a
 * time of its own, so that it counts as the later one in whatever order the Broker delivers them. Adds to `summary` as it
 * goes, and returns it.
 */
export async function publishLines(
  source: AsyncIterable<Uint8Array>,
  tenant: string,
  publisher: Publisher,
  output: Pick<Output, 'note'>,
  signal: AbortSignal,
  reading: Reading = streamMemory().begin(),
  summary: PublishSummary = { published: 0, refused: 0 },
): Promise<PublishSummary> {
  let time = 0;
  for await (const line of splitLines(source, MAX_LINE_BYTES)) {
    const document = 'bytes' in line ? readDocument(line.bytes) : TOO_LONG;
    if (typeof document === 'string') {
      summary.refused++;
      output.note(`line ${line.number}: ${document}`);
      continue;
    }
    const said = JSON.stringify(document);
    const place = reading.place(document.document, said);
    if (place === undefined) continue;
    time = Math.max(Date.now(), time + 1);
    const event = toCloudEvent('stream', emit('document.submitted', document.document, document), { tenant });
    const id = uuidv5('line', event.id, place);
    try {
      await publisher.publish([{ ...event, id, time: new Date(time).toISOString() }], signal);
      reading.published(document.document, said);
      summary.published++;
    } catch (thrown) {
      const { code, message } = KnarrError.from(thrown);
      if (code !== 'unprocessable') throw thrown;
      summary.refused++;
      output.note(`line ${line.number}: ${message}`);
    }
  }
  return summary;
}

const TOO_LONG = `longer than ${MAX_LINE_BYTES} bytes; give such a document by its uri`;

/** The document, or why the line is none. */
function readDocument(bytes: Uint8Array): EventData<'document.submitted'> | string {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return 'not JSON';
  }
  const parsed = EVENTS['document.submitted'].safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  return `${issue?.path.join('.') || 'the line'}: ${issue?.message}`;
}
