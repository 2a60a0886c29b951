import { pathToFileURL } from 'node:url';
import type { Citation, Passage } from '../../../_shared/contracts.ts';
import { type ApiClient, ApiError, type Problem } from '../client.ts';
import { link, milliseconds, type Output, plain } from '../output.ts';

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
  { budget, ...options }: SearchFlags & { budget?: number },
): Promise<number> {
  const body = { question, ...options, ...(budget !== undefined && { budget_ms: budget }) };
  const answer = output.json
    ? await client.json<Answer>('POST', '/v1/rag', body)
    : await streamAnswer(client, output, body);
  output.data(answer);
  if (answer.answer === null) output.text('No answer was made in time.');
  output.text('\n');
  showSources(output, answer);
  output.text(timingLine(answer.timings));
  if (answer.degraded.length > 0) output.text(`  skipped or cut: ${answer.degraded.join(', ')}`);
  return answer.answered ? 0 : 2;
}

/** Writes the text as it comes. Throws {@link ApiError} when the stream ends with one. */
async function streamAnswer(client: ApiClient, output: Output, body: object): Promise<Answer> {
  for await (const { event, data } of client.events('POST', '/v1/rag', { ...body, stream: true })) {
    if (event === 'token') output.write((data as { text: string }).text);
    if (event === 'error') throw new ApiError(data as Problem);
    if (event === 'done') return data as Answer;
  }
  throw new Error('The stream ended before the answer did.');
}

/** The cited sources, numbered as in the answer's citations; all of them when there is no answer to cite from. */
function showSources(output: Output, { answer, citations, sources }: Answer): void {
  const shown = answer === null ? sources.keys() : new Set(citations.map(({ source }) => source));
  for (const index of shown) {
    const source = sources[index];
    if (!source) continue;
    const place = source.headings.length > 0 ? ` — ${plain(source.headings.join(' › '))}` : '';
    output.text(`  [${index + 1}] ${link(source.title ?? source.document, targetOf(source))}${place}`);
    const [start, end] = source.range;
    output.text(`      ${plain(source.document)} v${source.version}, characters ${start}–${end}`);
  }
}

function targetOf({ uri, metadata }: Passage): string | null {
  if (uri) return uri;
  return typeof metadata.path === 'string' ? pathToFileURL(metadata.path).href : null;
}

function timingLine({ total, ...stages }: Record<string, number>): string {
  const parts = Object.entries(stages).map(([stage, ms]) => `${stage} ${milliseconds(ms)}`);
  return `  ${total === undefined ? '' : `${milliseconds(total)}: `}${parts.join(' + ')}`;
}

const SHOWN_CHARACTERS = 240;

/** `knarr search`: ranked passages. */
export async function search(
  client: ApiClient,
  output: Output,
  query: string,
  flags: SearchFlags,
): Promise<number> {
  const found = await client.json<{ passages: Passage[]; timings: Record<string, number> }>(
    'POST',
    '/v1/search',
    { query, ...flags },
  );
  output.data(found);
  for (const [index, passage] of found.passages.entries()) {
    const name = link(passage.title ?? passage.document, targetOf(passage));
    const chunk = `${plain(passage.document)}#${passage.chunk}`;
    output.text(`${index + 1}. ${name}  (${passage.score.toFixed(4)})  ${chunk}`);
    const text = plain(passage.text).replace(/\s+/g, ' ');
    output.text(`   ${text.slice(0, SHOWN_CHARACTERS)}${text.length > SHOWN_CHARACTERS ? ' …' : ''}`);
  }
  if (found.passages.length === 0) output.text('Nothing was found.');
  output.text(`\n${timingLine(found.timings)}`);
  return 0;
}
