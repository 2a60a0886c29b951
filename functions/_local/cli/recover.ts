import type { Command } from 'commander';
import type { apiClient } from './client.ts';
import { type ReplayOptions, rebuild, reconcile, replay } from './commands/recover.ts';
import type { Output } from './output.ts';

interface Tools {
  remote<A extends unknown[]>(
    run: (client: ReturnType<typeof apiClient>, out: Output, ...args: A) => Promise<number>,
  ): (...args: unknown[]) => Promise<void>;
  examples(command: Command, lines: string[]): Command;
  atLeast(min: number): (text: string) => number;
}

/** `knarr replay`, `knarr reconcile` and `knarr rebuild`. */
export function recoverCommands(program: Command, { remote, examples, atLeast }: Tools): void {
  examples(
    program
      .command('replay')
      .description('send dead letters off again; exit code 1 when none matched')
      .argument('[ids...]')
      .option('-a, --all', 'all of them')
      .option('--type <type>', 'only events of this type')
      .option('--code <code>', 'only those with this reason')
      .option('--subject <id>', 'only those of this document or question')
      .option('-n, --limit <n>', 'at most so many, oldest first', atLeast(1), 1000)
      .action(remote<[string[], ReplayOptions]>(replay)),
    ['knarr replay --all', 'knarr replay --code unavailable --limit 100'],
  );

  examples(
    program
      .command('reconcile')
      .description('compare documents and vector store, and repair; exit code 2 when they differed')
      .option('--no-repair', 'only look')
      .action(remote<[{ repair: boolean }]>(reconcile)),
    ['knarr reconcile --no-repair'],
  );

  examples(
    program
      .command('rebuild')
      .description('read, cut, embed and index every document anew')
      .option('-c, --collection <name>', 'only this collection')
      .action(remote<[{ collection?: string }]>(rebuild)),
    ['knarr rebuild', 'knarr rebuild --collection news'],
  );
}
