import { KnarrError } from '../../../_shared/errors.ts';
import type { ApiClient } from '../client.ts';
import { interruption } from '../interrupt.ts';
import { bar, type Output } from '../output.ts';
import { type IngestSummary, ingestSources } from '../send.ts';
import { expandSources, isUrl } from '../sources.ts';
import { snapshot, watchFiles } from './watch.ts';

export interface IngestOptions {
  collection: string;
  id?: string;
  watch?: boolean;
  concurrency: number;
}

/** `knarr ingest`. Exit code 1 when a document failed or the server went away, 130 when it was interrupted. */
export async function ingest(
  client: ApiClient,
  output: Output,
  inputs: string[],
  options: IngestOptions,
): Promise<number> {
  const { id, watch = false } = options;
  if (watch && id !== undefined) throw new KnarrError('invalid_request', '--id does not go with --watch.');
  const sources = await expandSources(inputs, { id, mayBeEmpty: watch });
  // Nobody there is said at once; someone who goes away later may come back.
  await client.json('GET', '/info');
  const signal = interruption(() => output.note('Stopping …'));
  const files = inputs.filter((input) => input !== '-' && !isUrl(input));
  const before = watch ? await snapshot(files) : undefined;

  const progress = output.progress(`0/${sources.length}`);
  const started = performance.now();
  const summary = await ingestSources(client, sources, { ...options, signal }, (result, done) => {
    const rate = done / ((performance.now() - started) / 1000);
    progress.show(
      `${bar(done / sources.length)} ${done}/${sources.length}  ${rate.toFixed(1)} documents/s  ${result.id}`,
    );
    output.data(result);
  });
  progress.stop();
  report(output, summary);
  if (summary.stopped) return 1;
  if (before && !signal.aborted) {
    await watchFiles(client, output, before, { ...options, signal });
    return 0;
  }
  if (signal.aborted) return 130;
  return summary.failed.length > 0 ? 1 : 0;
}

const SHOWN_FAILURES = 20;

function report(output: Output, { failed, stopped, ...summary }: IngestSummary): void {
  const rate = (count: number) => (count / Math.max(summary.seconds, 1e-3)).toFixed(1);
  output.data({ ...summary, failed: failed.length });
  output.text(
    `${summary.indexed} of ${summary.documents} documents searchable, ${summary.chunks} chunks, in ${summary.seconds.toFixed(1)} s ` +
      `(${rate(summary.documents)} documents/s, ${rate(summary.chunks)} chunks/s)`,
  );
  for (const { id, error } of failed.slice(0, SHOWN_FAILURES)) output.note(`failed: ${id}: ${error}`);
  if (failed.length > SHOWN_FAILURES) {
    output.note(`… and ${failed.length - SHOWN_FAILURES} more; --json shows them all`);
  }
  if (summary.unfinished > 0) output.note(`${summary.unfinished} were not sent or have not ended yet`);
  if (stopped) output.note(stopped.message);
}
