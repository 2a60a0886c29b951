import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ServedKnarr } from './served.ts';

/** Questions and searches; some are about what was ingested before. */
export function ask(served: ServedKnarr): void {
  describe('ask and search', () => {
    test('for people: answer, cited sources and where the time went', async () => {
      const { code, stdout } = await served.text(['ask', 'Who was the leader of the Normans?']);
      expect(code).toBe(0);
      expect(stdout).toMatch(
        /Rollo[\s\S]*\n {2}\[\d\] Normans — Normans[\s\S]*characters \d+–\d+\n {2}[\d.]+ m?s: embed /,
      );
    });

    test('exit code 2 when the sources do not answer', async () => {
      const { code, lines } = await served.run(['ask', 'Which moon of Neptune was found by Lassell?']);
      expect(lines[0]).toMatchObject({ answered: false });
      expect(code).toBe(2);
    });

    test('options narrow what is searched', async () => {
      const path = join(served.folder, 'mixed/ship.md');
      const filter = JSON.stringify({ eq: { path } });
      const { lines } = await served.run([
        'search',
        'ship',
        '--filter',
        filter,
        '--mode',
        'dense',
        '-n',
        '3',
      ]);
      expect(lines[0].mode).toBe('dense');
      expect(lines[0].passages.map((passage: any) => passage.document)).toEqual(['mixed/ship.md']);
      const none = await served.run(['ask', 'x?', '--collection', 'nowhere']);
      expect(none).toMatchObject({
        code: 1,
        lines: [{ error: { status: 404, code: 'unknown_collection' } }],
      });
    });

    test('for people: passages with where they stand', async () => {
      const { stdout } = await served.text(['search', 'karve', '-m', 'lexical', '-n', '1']);
      expect(stdout).toMatch(/^1\. Ship {2}\([\d.]+\) {2}mixed\/ship\.md#0\n {3}Ship The karve was/);
    });

    test.each([['{"eq"'], ['[1]']])('a filter that is none (%s) is refused', async (filter) => {
      expect((await served.run(['search', 'x', '-f', filter])).code).toBe(1);
    });

    test('a reader that leaves early is no failure', async () => {
      const listing = served.begin(['search', 'ship', '-n', '100']);
      listing.child.stdout?.destroy();
      const [code] = await once(listing.child, 'exit');
      expect(code).toBe(0);
    });
  });
}
