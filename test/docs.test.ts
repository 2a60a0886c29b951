import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { documents } from '../scripts/docs/documents.ts';

test.each(Object.entries(documents()))(
  '%s is what the code says; if not, "npm run docs"',
  async (path, text) => {
    const kept = await readFile(new URL(`../${path}`, import.meta.url), 'utf8');
    expect(kept.split('\n')).toEqual(text.split('\n'));
  },
);
