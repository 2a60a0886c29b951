import { type Command, InvalidArgumentError, Option } from 'commander';
import { ROLES } from '../../_shared/stores/access/port.ts';
import type { apiClient } from './client.ts';
import { type AuditOptions, audit } from './commands/audit.ts';
import type { CreateOptions, StoreOptions, Target } from './commands/keys.ts';
import { type QuotaOptions, quotas } from './commands/quotas.ts';
import type { Output } from './output.ts';

interface Tools {
  globals(): { url: string; token?: string };
  output(): Output;
  remote<A extends unknown[]>(
    run: (client: ReturnType<typeof apiClient>, out: Output, ...args: A) => Promise<number>,
  ): (...args: unknown[]) => Promise<void>;
  examples(command: Command, lines: string[]): Command;
}

const STORE_HELP = `
With --data or --store no server is asked: the store itself is opened, which needs no key. This is how the
first one is made; a server that uses an embedded store has to be stopped for it.`;

const number = (text: string) => {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError('Expected a number.');
  return Number(text);
};

/** `default` is what KNARR_QUOTA_* says. */
const limit = (text: string) => (text === 'default' ? null : number(text));

/** `knarr keys`, `knarr quotas` and `knarr audit`. */
export function accessCommands(program: Command, { globals, output, remote, examples }: Tools): void {
  const targetOf = (options: StoreOptions): Target => ({ ...globals(), ...options });
  const withStore = (command: Command) =>
    command
      .option('-t, --tenant <name>', "tenant; the token's own, or default in the store")
      .option('-d, --data <folder>', 'open the embedded store in this folder instead of asking a server')
      .option('--store', 'open the store of DATABASE_URL, else of KNARR_DATA_DIR, instead')
      .addHelpText('after', STORE_HELP);

  const keys = program.command('keys').description('make, list and revoke API keys');
  examples(
    withStore(keys.command('create').description('make a key; its secret is shown this once'))
      .argument('<name>', 'also what it writes as: user:<name>')
      .addOption(new Option('-r, --role <role>').choices(ROLES).default('reader'))
      .option('--admin', 'short for --role admin')
      .option('-c, --collection <names...>', 'limit it to these collections')
      .option('-p, --principal <names...>', 'it reads as these, too: group:eng user:ann')
      .option('-e, --expires <when>', '90d, or a date')
      .action(async (name: string, options: CreateOptions) => {
        const { createKey } = await import('./commands/keys.ts');
        process.exitCode = await createKey(output(), name, { ...options, ...targetOf(options) });
      }),
    [
      'knarr keys create root --admin --data .knarr',
      'DATABASE_URL=postgres://… knarr keys create root --admin --store',
      'knarr keys create crawler --role writer --collection news --expires 90d',
    ],
  );
  examples(
    withStore(keys.command('list').description('keys, newest first')).action(
      async (options: StoreOptions) => {
        const { listKeys } = await import('./commands/keys.ts');
        process.exitCode = await listKeys(output(), targetOf(options));
      },
    ),
    ['knarr keys list', 'knarr keys list --data .knarr'],
  );
  examples(
    withStore(keys.command('revoke').description('end keys; they stay listed'))
      .argument('<ids...>')
      .action(async (ids: string[], options: StoreOptions) => {
        const { revokeKeys } = await import('./commands/keys.ts');
        process.exitCode = await revokeKeys(output(), ids, targetOf(options));
      }),
    ['knarr keys revoke 0f3c9a1b2d4e5f60'],
  );

  examples(
    program
      .command('quotas')
      .description(
        'what a tenant may have, and has; sets the limits that are given, to a number or to "default"',
      )
      .option('-t, --tenant <name>', "another tenant than the token's")
      .option('--documents <n>', 'documents', limit)
      .option('--bytes <n>', 'bytes of content', limit)
      .option('--requests <n>', 'requests a second', limit)
      .option('--questions <n>', 'questions at once', limit)
      .action(remote<[QuotaOptions]>(quotas)),
    ['knarr quotas', 'knarr quotas --tenant acme --documents 10000 --requests default'],
  );

  examples(
    program
      .command('audit')
      .description('who did what, newest first')
      .option('-n, --limit <n>', 'how many', number, 50)
      .option('-t, --tenant <name>', "another tenant than the token's")
      .option('--actor <actor>', 'only by this one, e.g. key:<id>')
      .option('--action <action>', 'only this, e.g. document.put')
      .option('--target <id>', 'only to this document or key')
      .option('--denied', 'only what was denied')
      .action(remote<[AuditOptions]>(audit)),
    ['knarr audit --denied', 'knarr audit --target handbook.md'],
  );
}
