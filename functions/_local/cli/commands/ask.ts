import type { Citation, Passage } from '../../../_shared/contracts.ts';
import type { ApiClient } from '../client.ts';
import { link, milliseconds, type Output } from '../output.ts';

export interface SearchFlags {
  collection: string;
  mode: string;
  limit: number;
  filter?: unknown;
}

interface Answer {
  answer: string | null;
  answered: boolean;
  citations: Citation[];
  sources: Passage[];
  timings: Record<string, number>;
  degraded: string[];
}

/** `knarr ask`: the answer as it is made, then the sources it cites and where the time went. Exit code 2: not answered. */
export async function ask(
  client: ApiClient,
  output: Output,
  question: string,
  flags: SearchFlags & { budget?: number },
): Promise<number> {
  const { budget, ...options } = flags;
  const body = { question, ...options, ...(budget === undefined ? {} : { budget_ms: budget }) };
  if (output.json) {
    const answer = await client.json<Answer>('POST', '/v1/rag', body);
    output.data(answer);
    return answer.answered ? 0 : 2;
  }
  let sources: Passage[] = [];
  let done: Answer | undefined;
  for await (const { event, data } of client.events('POST', '/v1/rag', { ...body, stream: true })) {
    if (event === 'sources') sources = (data as { sources: Passage[] }).sources;
    if (event === 'token') output.write((data as { text: string }).text);
    if (event === 'done') done = data as Answer;
    if (event === 'error')
      throw new Error((data as { detail?: string }).detail ?? 'The stream ended with an error.');
  }
  if (!done) throw new Error('The stream ended before the answer did.');
  output.text('\n');
  showSources(output, sources, done.citations);
  output.text(timingLine(done.timings));
  if (done.degraded.length > 0) output.text(`skipped or cut: ${done.degraded.join(', ')}`);
  return done.answered ? 0 : 2;
}

function showSources(output: Output, sources: Passage[], citations: Citation[]): void {
  for (const index of new Set(citations.map((citation) => citation.source))) {
    const source = sources[index];
    if (!source) continue;
    const place = [...source.headings].join(' › ');
    output.text(
      `  [${index + 1}] ${link(source.title ?? source.document, targetOf(source))}${place ? ` — ${place}` : ''}`,
    );
    output.text(
      `      ${source.document} v${source.version}, characters ${source.range[0]}–${source.range[1]}`,
    );
  }
}

function targetOf(source: Passage): string | null {
  if (source.uri) return source.uri;
  const path = source.metadata.path;
  return typeof path === 'string' ? `file://${encodeURI(path)}` : null;
}

function timingLine(timings: Record<string, number>): string {
  const { total, ...stages } = timings;
  const parts = Object.entries(stages).map(([stage, ms]) => `${stage} ${milliseconds(ms)}`);
  return `  ${total === undefined ? '' : `${milliseconds(total)} = `}${parts.join(' + ')}`;
}

/** `knarr search`: ranked passages. */
export async function search(
  client: ApiClient,
  output: Output,
  query: string,
  flags: SearchFlags,
): Promise<number> {
  const result = await client.json<{ passages: Passage[] }>('POST', '/v1/search', { query, ...flags });
  output.data(result);
  for (const [index, passage] of result.passages.entries()) {
    const name = link(passage.title ?? passage.document, targetOf(passage));
    output.text(`${index + 1}. ${name}  (${passage.score.toFixed(4)})  ${passage.document}#${passage.chunk}`);
    output.text(`   ${passage.text.replace(/\s+/g, ' ').slice(0, 240)}`);
  }
  return 0;
}
