import { once } from 'node:events';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ServedKnarr } from './served.ts';

/** Documents from files, folders, addresses and standard input. */
export function ingest(served: ServedKnarr): void {
  describe('ingest', () => {
    test('a folder: what can be read is found, and the rest named with its reason', async () => {
      await served.write({
        'mixed/ship.md': '# Ship\n\nThe karve was a small ship with broad sides.',
        'mixed/deep/sail.html': '<h1>Sail</h1><p>Sails were woven of wool by the women of Hordaland.</p>',
        'mixed/UPPER.TXT': 'The rudder hung on the right side.',
        'mixed/broken.pdf': '%PDF-1.4 nothing',
        'mixed/empty.md': '',
        'mixed/picture.png': 'no document',
      });
      const { code, lines, stderr } = await served.run(['ingest', 'mixed']);
      expect(code).toBe(1);
      const results = Object.fromEntries(lines.slice(0, -1).map((line) => [line.id, line]));
      expect(Object.keys(results).sort()).toEqual(
        ['UPPER.TXT', 'broken.pdf', 'deep/sail.html', 'empty.md', 'ship.md'].map((name) => `mixed/${name}`),
      );
      expect(results['mixed/ship.md']).toEqual({ id: 'mixed/ship.md', state: 'indexed', chunks: 1 });
      expect(results['mixed/broken.pdf']).toMatchObject({ state: 'dead_lettered', error: /PDF/ });
      expect(lines.at(-1)).toMatchObject({ documents: 5, indexed: 3, failed: 2, unfinished: 0 });
      expect(stderr).toContain('failed: mixed/empty.md: ');

      const found = await served.run(['search', 'Who wove sails?', '-n', '1']);
      expect(found.lines[0].passages[0]).toMatchObject({
        document: 'mixed/deep/sail.html',
        headings: ['Sail'],
      });
    });

    test('for people: one line that sums up', async () => {
      const { code, stdout } = await served.text(['ingest', 'mixed/ship.md']);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^1 of 1 documents searchable, 1 chunks, in [\d.]+ s \([\d.]+ documents\/s, /);
    });

    test('globs, files with odd names, and the same file twice', async () => {
      await served.write({ 'odd/[a] (1).md': 'Brackets.', 'odd/b.txt': 'Plain.' });
      const ids = async (...inputs: string[]) => {
        const { lines } = await served.run(['ingest', ...inputs]);
        return lines
          .slice(0, -1)
          .map((line) => line.id)
          .sort();
      };
      expect(await ids('odd/*.md', 'odd/[a] (1).md', join(served.folder, 'odd/b.txt'))).toEqual([
        'odd/[a] (1).md',
        'odd/b.txt',
      ]);
      expect(await ids('**/b.txt')).toEqual(['odd/b.txt']);
    });

    test('ids of files elsewhere start with what was named, and may not clash', async () => {
      const elsewhere = await mkdtemp(join(tmpdir(), 'knarr-cli-'));
      try {
        await cp(join(served.folder, 'odd'), join(elsewhere, 'a/odd'), { recursive: true });
        await cp(join(served.folder, 'odd'), join(elsewhere, 'b/odd'), { recursive: true });
        const { lines } = await served.run(['ingest', join(elsewhere, 'a/odd')]);
        expect(lines.map((line) => line.id).sort()).toContain('odd/b.txt');
        const clash = await served.run(['ingest', join(elsewhere, 'a/odd'), join(elsewhere, 'b/odd')]);
        expect(clash.code).toBe(1);
        expect(clash.stderr).toContain('would both be the document odd/');
      } finally {
        await rm(elsewhere, { recursive: true });
      }
    });

    test('standard input and an address', async () => {
      const piped = await served.run(['ingest', '-', '--id', 'from-pipe'], {
        input: 'Ravens were carried to find land.',
      });
      expect(piped.lines[0]).toEqual({ id: 'from-pipe', state: 'indexed', chunks: 1 });

      const web: Server = createServer((_, response) =>
        response
          .writeHead(200, { 'content-type': 'text/html' })
          .end('<h1>Web</h1><p>Tar kept hulls dry.</p>'),
      );
      await once(web.listen(0, '127.0.0.1'), 'listening');
      try {
        const address = `http://127.0.0.1:${(web.address() as AddressInfo).port}/page`;
        const { code, lines } = await served.run(['ingest', address]);
        expect(lines[0]).toMatchObject({ id: address, state: 'indexed' });
        expect(code).toBe(0);
      } finally {
        web.close();
      }
    });

    test.each([
      [['ingest', 'no-such-folder'], 'matches no file'],
      [['ingest', 'mixed', '--id', 'one'], 'exactly one document'],
      [['ingest', 'mixed', '--watch', '--id', 'one'], '--watch'],
      [['ingest'], 'missing required argument'],
      [['ingest', 'mixed', '--concurrency', '0'], 'Expected a whole number from 1'],
    ])('%j is refused', async (args, reason) => {
      const { code, stderr } = await served.run(args);
      expect(code).toBe(1);
      expect(stderr).toContain(reason);
    });
  });
}
