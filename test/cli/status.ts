import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { ServedKnarr } from './served.ts';

/** What an operator looks at and sets right, in a store that holds what was ingested before. */
export function status(served: ServedKnarr): void {
  describe('status, documents and dead-letters', () => {
    test('status says that it is ready and what it holds', async () => {
      const { code, lines } = await served.run(['status']);
      expect(code).toBe(0);
      expect(lines[0]).toMatchObject({
        url: served.url,
        ready: true,
        collections: [{ collection: 'default' }],
      });
      expect(lines[0].dead_letters).toBeGreaterThanOrEqual(1);
      const { stdout } = await served.text(['status']);
      expect(stdout).toContain(`at ${served.url}: ready`);
      expect(stdout).toMatch(/^default +\d+ +all-MiniLM-L6-v2/m);
    });

    test('documents are listed over pages, by state, and deleted', async () => {
      const two = await served.run(['documents', '--limit', '2']);
      expect(two.lines[0]).toMatchObject({ documents: { length: 2 }, more: true });
      const failed = await served.run(['documents', '--state', 'dead_lettered']);
      expect(failed.lines[0].documents.map((row: any) => row.id)).toContain('mixed/broken.pdf');
      const { stdout } = await served.text(['documents', '--state', 'dead_lettered']);
      expect(stdout).toMatch(/^mixed\/broken\.pdf +1 +dead_lettered +default +0 +unprocessable: /m);

      const removed = await served.run(['documents', '--delete', 'from-pipe', 'never-was']);
      expect(removed.code).toBe(1);
      expect(removed.lines).toMatchObject([{ id: 'from-pipe' }, { id: 'never-was', error: { status: 404 } }]);
      const { passages } = (await served.run(['search', 'ravens', '-m', 'lexical'])).lines[0];
      expect(passages.map((passage: any) => passage.document)).not.toContain('from-pipe');
    });

    test('dead letters are listed with their reason, and one shown with its event', async () => {
      const { lines } = await served.run(['dead-letters']);
      const letter = lines[0].dead_letters.find((row: any) => row.event.subject === 'mixed/broken.pdf');
      expect(letter.message).toContain('PDF');
      const one = await served.run(['dead-letters', letter.id]);
      expect(one.lines[0].event.data).toMatchObject({ document: 'mixed/broken.pdf' });
      const { stdout } = await served.text(['dead-letters']);
      expect(stdout).toContain('mixed/broken.pdf');
      expect((await served.run(['dead-letters', 'none'])).code).toBe(1);
      const subjects = async (...narrowed: string[]) =>
        (await served.run(['dead-letters', ...narrowed])).lines[0].dead_letters.map(
          (row: any) => row.event.subject,
        );
      expect(await subjects('--subject', 'mixed/broken.pdf')).toEqual(['mixed/broken.pdf']);
      expect(await subjects('--code', letter.code)).toContain('mixed/broken.pdf');
      expect(await subjects('--type', 'dev.knarr.query.asked.v1')).toEqual([]);
    });

    test('dead letters are sent off again: by id, by reason, or all', async () => {
      expect((await served.run(['replay'])).stderr).toContain('--all');
      expect((await served.run(['replay', '--code', 'nothing-like-it'])).code).toBe(1);
      const again = await served.run(['replay', '--subject', 'mixed/broken.pdf']);
      expect(again).toMatchObject({ code: 0, lines: [{ replayed: 1 }] });
      for (let left = 100; ; left--) {
        const [{ dead_letters: letters }] = (await served.run(['dead-letters'])).lines;
        const letter = letters.find((row: any) => row.event.subject === 'mixed/broken.pdf');
        if (letter) {
          expect(letter.attempts).toBe(2);
          break;
        }
        expect(left).toBeGreaterThan(0);
        await sleep(100);
      }
    });

    test('documents and vector store are compared, and made anew', async () => {
      const compared = await served.run(['reconcile', '--no-repair']);
      expect(compared).toMatchObject({
        code: 0,
        lines: [{ missing: 0, phantom: 0, duplicate: 0, wrong_hash: 0 }],
      });
      expect((await served.text(['reconcile'])).stdout).toContain('compared:');
      const [{ rebuilding }] = (await served.run(['rebuild'])).lines;
      expect(rebuilding).toBeGreaterThan(0);
    });
  });
}
