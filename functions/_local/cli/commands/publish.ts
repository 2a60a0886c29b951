import { setTimeout as sleep } from 'node:timers/promises';
import { KnarrError } from '../../../_shared/errors.ts';
import { type CloudEvent, EVENTS, emit, toCloudEvent } from '../../../_shared/events.ts';
import { httpPublisher, retryPause } from '../../../_shared/publisher.ts';
import type { Publisher } from '../../../_shared/stage.ts';
import { splitLines } from '../../../gateway/accept/lines.ts';
import type { Output } from '../output.ts';

export interface PublishOptions {
  /** The Broker's ingress; in a container of Knative's the environment names it. */
  sink: string;
  tenant: string;
  /** Read the stream once instead of connecting again when it ends. */
  once?: boolean;
}

/** What was read of a stream. */
export interface PublishSummary {
  published: number;
  /** Lines that are no document. */
  refused: number;
}

/** An event stays below 64 KiB: larger documents go by `uri`. */
const MAX_LINE_BYTES = 64 * 1024;

/**
 * `knarr publish`: documents from a stream of NDJSON (an address, or `-` for standard input), each line the data of a
 * `document.submitted`, to a Broker. As the container of a ContainerSource it makes any such stream a source of
 * documents. A line that is none is told and passed over. An address is asked again, ever slower, when its stream ends or
 * breaks; a line read twice is the same event, which is done once.
 */
export async function publish(
  output: Output,
  from: string,
  { sink, tenant, once = false }: PublishOptions,
  signal: AbortSignal,
): Promise<number> {
  const publisher = httpPublisher(sink);
  const total: PublishSummary = { published: 0, refused: 0 };
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      const lines = from === '-' ? process.stdin : await open(from, signal);
      const read = await publishLines(lines, tenant, publisher, output, signal);
      total.published += read.published;
      total.refused += read.refused;
      if (from === '-' || once) break;
      // A stream that gave something is healthy: begin again at once.
      if (read.published > 0) attempt = 0;
    } catch (thrown) {
      if (signal.aborted) break;
      if (from === '-' || once) throw thrown;
      output.note(`knarr: ${KnarrError.from(thrown).message} Again soon.`);
    }
    await sleep(retryPause(attempt, undefined), undefined, { signal }).catch(() => {});
  }
  output.data(total);
  output.text(`published ${total.published}, passed over ${total.refused}`);
  return total.refused > 0 && once ? 1 : 0;
}

async function open(url: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  const failed = (cause?: unknown) =>
    new KnarrError('unavailable', `The stream at ${url} cannot be read.`, { cause });
  const response = await fetch(url, { headers: { accept: 'application/x-ndjson' }, signal }).catch(
    (cause) => {
      throw failed(cause);
    },
  );
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw failed(new Error(`status ${response.status}`));
  }
  return response.body;
}

/** Publishes what the lines say, in order, so that of two versions of a document the later one comes last. */
export async function publishLines(
  source: AsyncIterable<Uint8Array>,
  tenant: string,
  publisher: Publisher,
  output: Pick<Output, 'note'>,
  signal: AbortSignal,
): Promise<PublishSummary> {
  const summary: PublishSummary = { published: 0, refused: 0 };
  for await (const line of splitLines(source, MAX_LINE_BYTES)) {
    const event = 'bytes' in line ? readDocument(line.bytes, tenant) : TOO_LONG;
    if (typeof event === 'string') {
      summary.refused++;
      output.note(`line ${line.number}: ${event}`);
    } else {
      await publisher.publish([event], signal);
      summary.published++;
    }
  }
  return summary;
}

const TOO_LONG = `longer than ${MAX_LINE_BYTES} bytes; give such a document by its uri`;

/** The event, or why the line is none. */
function readDocument(bytes: Uint8Array, tenant: string): CloudEvent | string {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return 'not JSON';
  }
  const parsed = EVENTS['document.submitted'].safeParse(value);
  if (parsed.success)
    return toCloudEvent('stream', emit('document.submitted', parsed.data.document, parsed.data), { tenant });
  const [issue] = parsed.error.issues;
  return `${issue?.path.join('.') || 'the line'}: ${issue?.message}`;
}
