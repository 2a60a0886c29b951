import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Text {
  id: string;
  text: string;
}

/** The first documents (title and text) and questions of test/data/cranfield; empty documents are left out. */
export function cranfield(documents: number, queries: number): { documents: Text[]; queries: Text[] } {
  const read = (name: string): { _id: string; title?: string; text: string }[] =>
    readFileSync(fileURLToPath(new URL(`../data/cranfield/${name}.jsonl`, import.meta.url)), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  const texts = (name: string) =>
    read(name)
      .map(({ _id, title, text }) => ({ id: _id, text: title ? `${title}. ${text}` : text }))
      .filter(({ text }) => text.trim() !== '');
  return { documents: texts('corpus').slice(0, documents), queries: texts('queries').slice(0, queries) };
}
