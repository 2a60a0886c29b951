import { describe, expect, test } from 'vitest';
import { knarr } from '../support/cli.ts';
import type { ServedKnarr } from './served.ts';

/** What the program says without a server. */
export function help(served: ServedKnarr): void {
  describe('without a server', () => {
    test.each([
      ['status'],
      ['documents'],
      ['dead-letters'],
      ['ask', 'x?'],
      ['search', 'x'],
      ['ingest', 'mixed'],
    ])('%s says how to start one', async (...args) => {
      const { code, stderr, lines } = await knarr(['--url', 'http://127.0.0.1:9', ...args], {
        cwd: served.folder,
      });
      expect(code).toBe(1);
      expect(stderr).toBe('knarr: No Knarr answers at http://127.0.0.1:9; start one with "knarr up".\n');
      expect(lines).toMatchObject([{ error: { code: 'unavailable' } }]);
    });
  });

  test('each command helps with examples', async () => {
    const helped: string[] = [];
    async function help(...command: string[]): Promise<void> {
      const { code, stdout } = await knarr([...command, '--help']);
      expect(code).toBe(0);
      const listed = stdout.split('\nCommands:\n')[1]?.matchAll(/^ {2}([a-z][a-z-]*) /gm) ?? [];
      const below = [...listed].map(([, name]) => name as string).filter((name) => name !== 'help');
      if (below.length === 0) expect(stdout).toContain(`\n  $ knarr ${command.join(' ')}`);
      helped.push(command.join(' '));
      for (const name of below) await help(...command, name);
    }
    await help();
    const expected = ['up', 'ingest', 'ask', 'search', 'status', 'documents', 'dead-letters', 'eval'];
    expect(helped).toEqual(expect.arrayContaining(expected));
    expect((await knarr(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
}
