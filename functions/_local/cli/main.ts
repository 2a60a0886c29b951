import { Command, InvalidArgumentError, Option } from 'commander';
import packageJson from '../../../package.json' with { type: 'json' };
import { ConfigError } from '../../_shared/config.ts';
import { KnarrError } from '../../_shared/errors.ts';
import { accessCommands } from './access.ts';
import { ApiError, apiClient, DEFAULT_URL } from './client.ts';
import { clusterCommands } from './cluster.ts';
import { ask, type SearchFlags, search } from './commands/ask.ts';
import type { EvalOptions } from './commands/eval.ts';
import { type IngestOptions, ingest } from './commands/ingest.ts';
import {
  type DeadLettersOptions,
  type DocumentsOptions,
  deadLetters,
  documents,
  status,
} from './commands/inspect.ts';
import { createOutput, type Output } from './output.ts';
import { recoverCommands } from './recover.ts';

const atLeast = (least: number) => (text: string) => {
  if (!/^\d{1,9}$/.test(text) || Number(text) < least) {
    throw new InvalidArgumentError(`Expected a whole number from ${least}.`);
  }
  return Number(text);
};
const json = (text: string) => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new InvalidArgumentError('It is not JSON.');
  }
};

const program = new Command('knarr')
  .description('Ask your documents: answers with their sources.')
  .version(packageJson.version)
  .addOption(new Option('--url <url>', 'address of the running Knarr').default(DEFAULT_URL).env('KNARR_URL'))
  .addOption(new Option('--token <token>', 'API key or JWT').env('KNARR_TOKEN'))
  .option('--json', 'JSON even on a terminal')
  .option('--no-json', 'text even in a pipe')
  .option('--verbose', 'stack traces with errors')
  .showHelpAfterError('(--help tells more)')
  .addHelpText(
    'after',
    `
On a terminal the output is text, in a pipe JSON.
Exit codes: 0 done, 1 failed, 2 the sources do not answer the question, 78 misconfigured,
130 interrupted.

Examples:
  $ knarr up
  $ knarr ingest ~/handbook
  $ knarr ask "How many days of leave do I have?"`,
  );

interface Globals {
  url: string;
  token?: string;
  json?: boolean;
  verbose?: boolean;
}
const globals = () => program.opts<Globals>();
const output = () => createOutput(globals().json ?? process.stdout.isTTY !== true);

const EVAL_HELP = `
Retrieval, each in [0, 1], means over all judged queries; a document ranks where its best chunk does:
  nDCG@10     graded relevance of the first ten, discounted by rank, against the ideal order
  recall@k    share of the relevant documents among the first k
  MRR@10      1 / rank of the first relevant document

Answers, from five passages:
  contains a gold answer     of the answerable questions
  token F1, exact match      as SQuAD measures them; whole sentences score low
  citations                  of those in answers to answerable questions: how many name the gold
                             passage, and how many quote a gold answer
  said not to be answered    wrong for an answerable question, right for an unanswerable one
  even half, odd half        the questions on documents at even and odd places of the corpus

docs/quality.md says more, with the figures.`;

/** Runs a command that talks to a server; its result is the exit code. */
function remote<A extends unknown[]>(
  run: (client: ReturnType<typeof apiClient>, out: Output, ...args: A) => Promise<number>,
) {
  return async (...args: unknown[]) => {
    const { url, token } = globals();
    // Commander hands the command itself over last.
    process.exitCode = await run(apiClient(url, token), output(), ...(args.slice(0, -1) as A));
  };
}

const withSearchFlags = (command: Command) =>
  command
    .option('-c, --collection <name>', 'collection', 'default')
    .addOption(new Option('-m, --mode <mode>').choices(['hybrid', 'dense', 'lexical']).default('hybrid'))
    .option('-n, --limit <n>', 'how many passages', atLeast(1), 5)
    .option('-f, --filter <json>', 'metadata filter, e.g. \'{"eq":{"lang":"en"}}\'', json);
const examples = (command: Command, lines: string[]) =>
  command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`);

examples(
  program
    .command('up')
    .description('run the whole pipeline in this process')
    .option('-p, --port <port>', 'port (PORT)', atLeast(0))
    .option('-d, --data <folder>', 'where everything is kept (KNARR_DATA_DIR)')
    .option('--no-examples', 'leave an empty store empty')
    .action(async (options) => {
      const { up } = await import('./commands/up.ts');
      await up(output(), options);
    }),
  ['knarr up', 'knarr up --port 9000 --data ~/knarr-data'],
);

examples(
  program
    .command('ingest')
    .description('files, folders, globs, URLs or - (standard input)')
    .argument('<inputs...>')
    .option('-c, --collection <name>', 'collection', 'default')
    .option('--id <id>', 'id of a single document')
    .option('-w, --watch', 'follow the folders and keep the store in step')
    .option('--concurrency <n>', 'documents on their way at once', atLeast(1), 16)
    .action(remote<[string[], IngestOptions]>(ingest)),
  [
    'knarr ingest ~/handbook',
    "knarr ingest 'docs/**/*.md' --watch",
    'pandoc notes.odt -t plain | knarr ingest - --id notes',
  ],
);

examples(
  withSearchFlags(
    program.command('ask').description('ask a question; exit code 2 when the sources do not answer'),
  )
    .argument('<question>')
    .option('-b, --budget <ms>', 'milliseconds the answer may take', atLeast(1))
    .action(remote<[string, SearchFlags & { budget?: number }]>(ask)),
  [
    'knarr ask "Who was the Norse leader?"',
    'knarr ask "What changed in 2024?" -f \'{"range":{"year":{"gte":2024}}}\'',
  ],
);

examples(
  withSearchFlags(program.command('search').description('ranked passages'))
    .argument('<query>')
    .action(remote<[string, SearchFlags]>(search)),
  ['knarr search "time complexity" --mode lexical', 'knarr search viking -n 3 --json'],
);

examples(
  program
    .command('status')
    .description('whether it is ready, and what it holds; exit code 1 when it is not')
    .action(remote<[]>(status)),
  ['knarr status', 'knarr status --json | jq .collections'],
);

examples(
  program
    .command('documents')
    .description('list documents, or delete some')
    .option('-c, --collection <name>', 'only this collection')
    .option('-s, --state <state>', 'only this state, e.g. dead_lettered')
    .option('-n, --limit <n>', 'how many', atLeast(1), 50)
    .option('--delete <ids...>', 'delete these')
    .action(remote<[DocumentsOptions]>(documents)),
  ['knarr documents --state dead_lettered', 'knarr documents --delete notes.md old.pdf'],
);

examples(
  program
    .command('dead-letters')
    .description('events that could not be handled, with the reason')
    .argument('[id]', 'show this one with its event')
    .option('--type <type>', 'only events of this type')
    .option('--code <code>', 'only those with this reason')
    .option('--subject <id>', 'only those of this document or question')
    .option('-n, --limit <n>', 'how many', atLeast(1), 50)
    .action(remote<[string | undefined, DeadLettersOptions]>(deadLetters)),
  ['knarr dead-letters --code too_large', 'knarr dead-letters --json | jq .dead_letters[].message'],
);

examples(
  program
    .command('eval')
    .description('measure retrieval and answers on a collection in BEIR layout, in a store of its own')
    .argument('<folder>', 'with corpus.jsonl, and queries.jsonl + qrels.tsv or questions.jsonl')
    .option('--foreign <folder>', 'also ask the questions of a collection on other subjects')
    .addHelpText('after', EVAL_HELP)
    .action(async (folder: string, options: EvalOptions) => {
      const { evaluate } = await import('./commands/eval.ts');
      process.exitCode = await evaluate(output(), folder, options);
    }),
  [
    'knarr eval test/data/cranfield',
    'knarr eval test/data/squad2-dev-slice --foreign test/data/cranfield',
    'KNARR_GENERATE_EVIDENCE=0.5 knarr eval test/data/squad2-dev-slice --json',
  ],
);

accessCommands(program, { globals, output, remote, examples });
recoverCommands(program, { remote, examples, atLeast });
clusterCommands(program, { output, examples });

/** EX_CONFIG of sysexits.h, as every stage's process ends. */
const MISCONFIGURED = 78;

// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await program.parseAsync();
} catch (thrown) {
  const error = thrown as Error;
  output().data({ error: problemOf(error) });
  process.stderr.write(`knarr: ${globals().verbose ? error.stack : error.message}\n`);
  process.exitCode = error instanceof ConfigError ? MISCONFIGURED : 1;
}

function problemOf(error: Error): Record<string, unknown> {
  if (error instanceof ApiError) return { ...error.problem };
  const code = error instanceof KnarrError ? error.code : error.name;
  return { code, detail: error.message };
}
