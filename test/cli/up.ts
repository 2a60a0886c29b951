import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { knarr } from '../support/cli.ts';
import type { ServedKnarr } from './served.ts';

/** What it takes to start, and what it says when it cannot. */
export function up(served: ServedKnarr): void {
  describe('up', () => {
    test('takes the samples into an empty store, and answers from each of their formats', async () => {
      const { examples, failed } = await served.server.line((line) => 'examples' in line);
      expect(examples).toBeGreaterThanOrEqual(4);
      expect(failed).toBe(0);
      for (const [question, answer, document] of [
        ['Who was the leader of the Normans?', 'Rollo', 'examples/normans.md'],
        [
          'What is the busiest commercial port in the United States?',
          'Los Angeles',
          'examples/southern-california.pdf',
        ],
        [
          'Who laid out the definition of computational complexity in 1965?',
          'Hartmanis',
          'examples/computational-complexity-theory.html',
        ],
      ] as const) {
        const { code, lines } = await served.run(['ask', question]);
        expect(lines[0].answer, question).toContain(answer);
        const { source } = lines[0].citations[0];
        expect(lines[0].sources[source].document.endsWith(document), question).toBe(true);
        expect(code).toBe(0);
      }
    });

    test('says who has the port, and who has the data', async () => {
      const port = new URL(served.url).port;
      const other = await knarr(['up', '--port', port, '--data', join(served.folder, 'other')]);
      expect(other.code).toBe(1);
      expect(other.stderr).toContain(`Port ${port} is taken`);
      const same = await knarr(['up', '--port', '0', '--data', served.data]);
      expect(same.code).toBe(1);
      expect(same.stderr).toContain(`process ${served.server.child.pid}`);
    });

    test('lists everything that is wrong with its configuration', async () => {
      const { code, stderr } = await knarr(['up', '--port', '70000'], { env: { KNARR_MAX_PAGES: 'many' } });
      expect(code).toBe(78);
      expect(stderr).toContain('PORT ("70000")');
      expect(stderr).toContain('KNARR_MAX_PAGES ("many")');
    });
  });
}

/** Leaves another server behind than it found. */
export function interrupted(served: ServedKnarr): void {
  test('up, interrupted at work, keeps what it accepted, and takes no samples a second time', async () => {
    const paragraph = 'The stern was carved by the same hand as the stem, and tarred each spring. '.repeat(
      40,
    );
    await served.write(
      Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`late/${i}.txt`, `${i}. ${paragraph}`])),
    );
    const ingest = served.begin(['ingest', 'late']);
    await ingest.line((line) => line.state === 'indexed');
    expect((await served.server.stop('SIGINT')).code).toBe(0);
    expect((await ingest.stop('SIGINT')).code).toBe(130);

    await served.up();
    const documents = async () => (await served.run(['documents', '--limit', '1000'])).lines[0].documents;
    const late = async () => (await documents()).filter((row: any) => row.id.startsWith('late/'));
    expect((await late()).length).toBeGreaterThan(0);
    const unfinished = async () => (await late()).filter((row: any) => row.state !== 'indexed');
    await expect.poll(unfinished, { timeout: 120_000, interval: 1000 }).toEqual([]);
    expect((await documents()).map((row: any) => row.id)).toContain('examples/normans.md');
    expect(served.server.lines().filter((line) => 'examples' in line)).toEqual([]);
  });
}
