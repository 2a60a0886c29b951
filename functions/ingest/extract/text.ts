import { cleanText } from './clean.ts';
import { type Extracted, TextBuilder } from './extracted.ts';

/** Plain text: blank lines separate paragraphs. It has no title of its own. */
export function extractText(source: string): Extracted {
  const builder = new TextBuilder();
  for (const paragraph of cleanText(source).split(/\n[ \t]*\n/)) {
    if (paragraph !== '') builder.add('paragraph', paragraph);
  }
  return builder.build(null);
}
