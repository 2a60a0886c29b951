import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ServedKnarr } from './served.ts';

/** Ingestion that is ended, and that goes on until it is. */
export function follow(served: ServedKnarr): void {
  describe('ingest', () => {
    test('Ctrl-C ends it with what was done so far', async () => {
      await served.write(
        Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`many/${i}.txt`, `Number ${i}.`])),
      );
      const ingest = served.begin(['ingest', 'many', '--concurrency', '1']);
      await ingest.line((line) => line.state === 'indexed');
      const { code, lines } = await ingest.stop('SIGINT');
      expect(code).toBe(130);
      const { documents, unfinished } = lines.at(-1);
      expect(documents).toBeGreaterThan(0);
      expect(unfinished).toBeGreaterThan(0);
      expect(documents + unfinished).toBe(300);
    });

    test('--watch keeps the store in step until Ctrl-C', async () => {
      await mkdir(join(served.folder, 'inbox'));
      await mkdir(join(served.folder, 'shelf'));
      const watch = served.begin(['ingest', 'inbox', 'shelf', '--watch']);
      const search = async (query: string) =>
        (await served.run(['search', query, '-m', 'lexical', '-n', '1'])).lines[0].passages[0]?.document;
      try {
        expect(await watch.line((line) => 'unfinished' in line)).toMatchObject({ documents: 0 });
        await served.write({ 'inbox/sub/new.md': 'Words: quernstone.' });
        await watch.line((line) => line.id === 'inbox/sub/new.md' && line.state === 'indexed');
        expect(await search('quernstone')).toBe('inbox/sub/new.md');

        await served.write({ 'inbox/sub/new.md': 'Words: whetstone and flint.' });
        await expect.poll(() => search('whetstone'), { timeout: 30_000 }).toBe('inbox/sub/new.md');
        expect(await search('quernstone')).toBeUndefined();

        await rename(join(served.folder, 'inbox/sub/new.md'), join(served.folder, 'inbox/moved.md'));
        await watch.line((line) => line.id === 'inbox/moved.md' && line.state === 'indexed');
        await watch.line((line) => line.id === 'inbox/sub/new.md' && line.state === 'deleted');
        expect(await search('whetstone')).toBe('inbox/moved.md');

        // A folder that is away, as when a volume is unmounted, says nothing about its files.
        await rename(join(served.folder, 'inbox'), join(served.folder, 'away'));
        await served.write({ 'shelf/seen.md': 'It takes two looks to be sent.' });
        await watch.line((line) => line.id === 'shelf/seen.md' && line.state === 'indexed');
        await rename(join(served.folder, 'away'), join(served.folder, 'inbox'));
        await served.write({ 'shelf/later.md': 'And two more.' });
        await watch.line((line) => line.id === 'shelf/later.md' && line.state === 'indexed');
        expect(await search('whetstone')).toBe('inbox/moved.md');
      } finally {
        expect((await watch.stop('SIGINT')).code).toBe(0);
      }
    });
  });
}
