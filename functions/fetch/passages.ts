import type { Hit, Passage } from '../_shared/contracts.ts';
import type { ChunkRow } from '../_shared/stores/documents/records.ts';

/** A run of consecutive chunks of one document with the hits inside it. */
interface Window {
  first: number;
  last: number;
  best: Hit;
  /** Place of the best hit among all, from 0. */
  rank: number;
}

const keyOf = ({ document, version, chunk }: Pick<Hit, 'document' | 'version' | 'chunk'>): string =>
  JSON.stringify([document, version, chunk]);

/**
 * Passages of the hits whose chunks are among `rows`, best first; equal scores keep the order of the hits. With
 * neighbours, windows of one document that overlap or touch become one passage with the best of their scores.
 * `dropped` counts the hits without a chunk.
 */
export function toPassages(
  hits: readonly Hit[],
  rows: readonly ChunkRow[],
  neighbours: number,
): { passages: Passage[]; dropped: number } {
  const chunks = new Map(rows.map((row) => [keyOf(row), row]));
  const found = hits.filter((hit) => chunks.has(keyOf(hit)));
  const passages = windowsOf(found, neighbours).map((window) => passageOf(window, chunks));
  return { passages, dropped: hits.length - found.length };
}

/** The hits' windows, joined; in the order of their best hits. */
function windowsOf(hits: readonly Hit[], neighbours: number): Window[] {
  const documents = new Map<string, Window[]>();
  const ranked = [...hits].sort((a, b) => b.score - a.score);
  for (const [rank, best] of ranked.entries()) {
    const key = JSON.stringify([best.document, best.version]);
    const windows = documents.get(key) ?? [];
    documents.set(key, windows);
    windows.push({ first: best.chunk - neighbours, last: best.chunk + neighbours, best, rank });
  }
  const reach = neighbours > 0 ? 1 : 0;
  const joined = [...documents.values()].flatMap((windows) => join(windows, reach));
  return joined.sort((a, b) => a.rank - b.rank);
}

/** Joins windows of one document that share a chunk or, with a `reach` of 1, touch. */
function join(windows: readonly Window[], reach: 0 | 1): Window[] {
  const joined: Window[] = [];
  for (const window of [...windows].sort((a, b) => a.first - b.first)) {
    const last = joined.at(-1);
    if (last === undefined || window.first > last.last + reach) {
      joined.push({ ...window });
      continue;
    }
    last.last = Math.max(last.last, window.last);
    if (window.rank < last.rank) Object.assign(last, { best: window.best, rank: window.rank });
  }
  return joined;
}

function passageOf({ first, last, best }: Window, chunks: ReadonlyMap<string, ChunkRow>): Passage {
  const at = (chunk: number) => chunks.get(keyOf({ ...best, chunk }));
  const hit = at(best.chunk) as ChunkRow;
  const run: ChunkRow[] = [];
  // A window reaches beyond the document's ends.
  for (let chunk = first; chunk <= last; chunk++) {
    const row = at(chunk);
    if (row) run.push(row);
  }
  const { text, range } = assemble(run);
  const { document, version, title, uri, headings, metadata } = hit;
  return {
    document,
    version,
    title,
    uri,
    chunk: run[0]?.chunk ?? hit.chunk,
    range,
    headings,
    metadata,
    text,
    score: best.score,
  };
}

/**
 * The text from the first chunk's start to the last one's end: what chunks share appears once. Between chunks that do
 * not meet there was only white space, which becomes line breaks, so that the range stays exact.
 */
export function assemble(run: readonly Pick<ChunkRow, 'text' | 'start' | 'end'>[]): {
  text: string;
  range: [number, number];
} {
  const start = run[0]?.start ?? 0;
  let end = start;
  let text = '';
  for (const chunk of run) {
    if (chunk.end <= end && text !== '') continue;
    text += '\n'.repeat(Math.max(0, chunk.start - end)) + chunk.text.slice(Math.max(0, end - chunk.start));
    end = chunk.end;
  }
  return { text, range: [start, end] };
}
