import { cutText } from './text.ts';

/** Longest context, UTF-16 code units: enough for a title and its headings, little enough to leave the model room for the text. */
const MAX_CONTEXT = 160;

/**
 * What a chunk is about, taken from around it: `Title › Heading › Subheading`, without repeats.
 * It is embedded and indexed in front of the text, and never part of the shown text.
 */
export function chunkContext(title: string | null, headings: readonly string[]): string {
  const parts = [title ?? '', ...headings].map((part) => part.trim()).filter((part) => part !== '');
  return cutText([...new Set(parts)].join(' › '), MAX_CONTEXT);
}

/** The string that is embedded and indexed for a chunk. */
export function withContext(context: string, text: string): string {
  return context === '' ? text : `${context}. ${text}`;
}
