import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { ServedKnarr } from './served.ts';

/** Measures of a small collection. */
export function evaluate(served: ServedKnarr): void {
  test('eval measures a collection in a store of its own', async () => {
    const source = fileURLToPath(new URL('../data/squad2-dev-slice/', import.meta.url));
    const lines = async (name: string) => (await readFile(join(source, name), 'utf8')).trim().split('\n');
    const corpus = (await lines('corpus.jsonl')).slice(0, 4);
    const ids = corpus.map((line) => JSON.parse(line)._id);
    const questions = (await lines('questions.jsonl')).filter((line) =>
      ids.includes(JSON.parse(line).passage),
    );
    await served.write({
      'set/corpus.jsonl': corpus.join('\n'),
      'set/questions.jsonl': questions.slice(0, 8).join('\n'),
    });

    const { code, lines: said } = await served.run(['eval', 'set']);
    expect(code).toBe(0);
    expect(said[0]).toMatchObject({ folder: 'set', documents: 4, refused: [] });
    for (const mode of ['dense', 'lexical', 'hybrid']) {
      expect(said[0].retrieval[mode]['recall@100'], mode).toBe(1);
    }
    expect(said[0].answers.all.contains_gold).toBeGreaterThan(0);
    expect((await served.run(['eval', 'mixed'])).stderr).toContain('has no corpus.jsonl');
  });
}
