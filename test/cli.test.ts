import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { buildKnarr, Knarr, knarr, type RunOptions } from './support/cli.ts';

vi.setConfig({ testTimeout: 300_000 });

let folder: string;
let data: string;
let server: Knarr;
let url: string;
beforeAll(async () => {
  await buildKnarr();
  folder = await mkdtemp(join(tmpdir(), 'knarr-cli-'));
  data = join(folder, 'data');
  server = new Knarr(['up', '--port', '0', '--data', data], { env: { KNARR_URI_ALLOW: '127.0.0.1' } });
  url = (await server.line((line) => 'url' in line)).url;
});
afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const run = (args: string[], options: RunOptions = {}) =>
  knarr(['--url', url, ...args], { cwd: folder, ...options });
const text = (args: string[], options?: RunOptions) => run(['--no-json', ...args], options);

async function write(files: Record<string, string | Uint8Array>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), content);
  }
}

describe('up', () => {
  test('takes the samples into an empty store, and answers from each of their formats', async () => {
    const { examples, failed } = await server.line((line) => 'examples' in line);
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
      const { code, lines } = await run(['ask', question]);
      expect(lines[0].answer, question).toContain(answer);
      const { source } = lines[0].citations[0];
      expect(lines[0].sources[source].document.endsWith(document), question).toBe(true);
      expect(code).toBe(0);
    }
  });

  test('says who has the port, and who has the data', async () => {
    const port = new URL(url).port;
    const other = await knarr(['up', '--port', port, '--data', join(folder, 'other')]);
    expect(other.code).toBe(1);
    expect(other.stderr).toContain(`Port ${port} is taken`);
    const same = await knarr(['up', '--port', '0', '--data', data]);
    expect(same.code).toBe(1);
    expect(same.stderr).toContain(`process ${server.child.pid}`);
  });

  test('lists everything that is wrong with its configuration', async () => {
    const { code, stderr } = await knarr(['up', '--port', '70000'], { env: { KNARR_MAX_PAGES: 'many' } });
    expect(code).toBe(78);
    expect(stderr).toContain('PORT ("70000")');
    expect(stderr).toContain('KNARR_MAX_PAGES ("many")');
  });
});

describe('ingest', () => {
  test('a folder: what can be read is found, and the rest named with its reason', async () => {
    await write({
      'mixed/ship.md': '# Ship\n\nThe karve was a small ship with broad sides.',
      'mixed/deep/sail.html': '<h1>Sail</h1><p>Sails were woven of wool by the women of Hordaland.</p>',
      'mixed/UPPER.TXT': 'The rudder hung on the right side.',
      'mixed/broken.pdf': '%PDF-1.4 nothing',
      'mixed/empty.md': '',
      'mixed/picture.png': 'no document',
    });
    const { code, lines, stderr } = await run(['ingest', 'mixed']);
    expect(code).toBe(1);
    const results = Object.fromEntries(lines.slice(0, -1).map((line) => [line.id, line]));
    expect(Object.keys(results).sort()).toEqual(
      ['UPPER.TXT', 'broken.pdf', 'deep/sail.html', 'empty.md', 'ship.md'].map((name) => `mixed/${name}`),
    );
    expect(results['mixed/ship.md']).toEqual({ id: 'mixed/ship.md', state: 'indexed', chunks: 1 });
    expect(results['mixed/broken.pdf']).toMatchObject({ state: 'dead_lettered', error: /PDF/ });
    expect(lines.at(-1)).toMatchObject({ documents: 5, indexed: 3, failed: 2, unfinished: 0 });
    expect(stderr).toContain('failed: mixed/empty.md: ');

    const found = await run(['search', 'Who wove sails?', '-n', '1']);
    expect(found.lines[0].passages[0]).toMatchObject({
      document: 'mixed/deep/sail.html',
      headings: ['Sail'],
    });
  });

  test('for people: one line that sums up', async () => {
    const { code, stdout } = await text(['ingest', 'mixed/ship.md']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^1 of 1 documents searchable, 1 chunks, in [\d.]+ s \([\d.]+ documents\/s, /);
  });

  test('globs, files with odd names, and the same file twice', async () => {
    await write({ 'odd/[a] (1).md': 'Brackets.', 'odd/b.txt': 'Plain.' });
    const ids = async (...inputs: string[]) => {
      const { lines } = await run(['ingest', ...inputs]);
      return lines
        .slice(0, -1)
        .map((line) => line.id)
        .sort();
    };
    expect(await ids('odd/*.md', 'odd/[a] (1).md', join(folder, 'odd/b.txt'))).toEqual([
      'odd/[a] (1).md',
      'odd/b.txt',
    ]);
    expect(await ids('**/b.txt')).toEqual(['odd/b.txt']);
  });

  test('ids of files elsewhere start with what was named, and may not clash', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'knarr-cli-'));
    try {
      await cp(join(folder, 'odd'), join(elsewhere, 'a/odd'), { recursive: true });
      await cp(join(folder, 'odd'), join(elsewhere, 'b/odd'), { recursive: true });
      const { lines } = await run(['ingest', join(elsewhere, 'a/odd')]);
      expect(lines.map((line) => line.id).sort()).toContain('odd/b.txt');
      const clash = await run(['ingest', join(elsewhere, 'a/odd'), join(elsewhere, 'b/odd')]);
      expect(clash.code).toBe(1);
      expect(clash.stderr).toContain('would both be the document odd/');
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });

  test('standard input and an address', async () => {
    const piped = await run(['ingest', '-', '--id', 'from-pipe'], {
      input: 'Ravens were carried to find land.',
    });
    expect(piped.lines[0]).toEqual({ id: 'from-pipe', state: 'indexed', chunks: 1 });

    const web: Server = createServer((_, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Web</h1><p>Tar kept hulls dry.</p>'),
    );
    await once(web.listen(0, '127.0.0.1'), 'listening');
    try {
      const address = `http://127.0.0.1:${(web.address() as AddressInfo).port}/page`;
      const { code, lines } = await run(['ingest', address]);
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
    const { code, stderr } = await run(args);
    expect(code).toBe(1);
    expect(stderr).toContain(reason);
  });

  test('Ctrl-C ends it with what was done so far', async () => {
    await write(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`many/${i}.txt`, `Number ${i}.`])));
    const ingest = new Knarr(['--url', url, 'ingest', 'many', '--concurrency', '1'], { cwd: folder });
    await ingest.line((line) => line.state === 'indexed');
    const { code, lines } = await ingest.stop('SIGINT');
    expect(code).toBe(130);
    const { documents, unfinished } = lines.at(-1);
    expect(documents).toBeGreaterThan(0);
    expect(unfinished).toBeGreaterThan(0);
    expect(documents + unfinished).toBe(300);
  });

  test('--watch keeps the store in step until Ctrl-C', async () => {
    await mkdir(join(folder, 'inbox'));
    await mkdir(join(folder, 'shelf'));
    const watch = new Knarr(['--url', url, 'ingest', 'inbox', 'shelf', '--watch'], { cwd: folder });
    const search = async (query: string) =>
      (await run(['search', query, '-m', 'lexical', '-n', '1'])).lines[0].passages[0]?.document;
    try {
      expect(await watch.line((line) => 'unfinished' in line)).toMatchObject({ documents: 0 });
      await write({ 'inbox/sub/new.md': 'Words: quernstone.' });
      await watch.line((line) => line.id === 'inbox/sub/new.md' && line.state === 'indexed');
      expect(await search('quernstone')).toBe('inbox/sub/new.md');

      await write({ 'inbox/sub/new.md': 'Words: whetstone and flint.' });
      await expect.poll(() => search('whetstone'), { timeout: 30_000 }).toBe('inbox/sub/new.md');
      expect(await search('quernstone')).toBeUndefined();

      await rename(join(folder, 'inbox/sub/new.md'), join(folder, 'inbox/moved.md'));
      await watch.line((line) => line.id === 'inbox/moved.md' && line.state === 'indexed');
      await watch.line((line) => line.id === 'inbox/sub/new.md' && line.state === 'deleted');
      expect(await search('whetstone')).toBe('inbox/moved.md');

      // A folder that is away, as when a volume is unmounted, says nothing about its files.
      await rename(join(folder, 'inbox'), join(folder, 'away'));
      await write({ 'shelf/seen.md': 'It takes two looks to be sent.' });
      await watch.line((line) => line.id === 'shelf/seen.md' && line.state === 'indexed');
      await rename(join(folder, 'away'), join(folder, 'inbox'));
      await write({ 'shelf/later.md': 'And two more.' });
      await watch.line((line) => line.id === 'shelf/later.md' && line.state === 'indexed');
      expect(await search('whetstone')).toBe('inbox/moved.md');
    } finally {
      expect((await watch.stop('SIGINT')).code).toBe(0);
    }
  });
});

describe('ask and search', () => {
  test('for people: answer, cited sources and where the time went', async () => {
    const { code, stdout } = await text(['ask', 'Who was the leader of the Normans?']);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /Rollo[\s\S]*\n {2}\[\d\] Normans — Normans[\s\S]*characters \d+–\d+\n {2}[\d.]+ m?s: embed /,
    );
  });

  test('exit code 2 when the sources do not answer', async () => {
    const { code, lines } = await run(['ask', 'Which moon of Neptune was found by Lassell?']);
    expect(lines[0]).toMatchObject({ answered: false });
    expect(code).toBe(2);
  });

  test('options narrow what is searched', async () => {
    const path = join(folder, 'mixed/ship.md');
    const filter = JSON.stringify({ eq: { path } });
    const { lines } = await run(['search', 'ship', '--filter', filter, '--mode', 'dense', '-n', '3']);
    expect(lines[0].mode).toBe('dense');
    expect(lines[0].passages.map((passage: any) => passage.document)).toEqual(['mixed/ship.md']);
    const none = await run(['ask', 'x?', '--collection', 'nowhere']);
    expect(none).toMatchObject({ code: 1, lines: [{ error: { status: 404, code: 'unknown_collection' } }] });
  });

  test('for people: passages with where they stand', async () => {
    const { stdout } = await text(['search', 'karve', '-m', 'lexical', '-n', '1']);
    expect(stdout).toMatch(/^1\. Ship {2}\([\d.]+\) {2}mixed\/ship\.md#0\n {3}Ship The karve was/);
  });

  test.each([['{"eq"'], ['[1]']])('a filter that is none (%s) is refused', async (filter) => {
    expect((await run(['search', 'x', '-f', filter])).code).toBe(1);
  });

  test('a reader that leaves early is no failure', async () => {
    const listing = new Knarr(['--url', url, 'search', 'ship', '-n', '100']);
    listing.child.stdout?.destroy();
    const [code] = await once(listing.child, 'exit');
    expect(code).toBe(0);
  });
});

describe('status, documents and dead-letters', () => {
  test('status says that it is ready and what it holds', async () => {
    const { code, lines } = await run(['status']);
    expect(code).toBe(0);
    expect(lines[0]).toMatchObject({ url, ready: true, collections: [{ collection: 'default' }] });
    expect(lines[0].dead_letters).toBeGreaterThanOrEqual(1);
    const { stdout } = await text(['status']);
    expect(stdout).toContain(`at ${url}: ready`);
    expect(stdout).toMatch(/^default +\d+ +all-MiniLM-L6-v2/m);
  });

  test('documents are listed over pages, by state, and deleted', async () => {
    const two = await run(['documents', '--limit', '2']);
    expect(two.lines[0]).toMatchObject({ documents: { length: 2 }, more: true });
    const failed = await run(['documents', '--state', 'dead_lettered']);
    expect(failed.lines[0].documents.map((row: any) => row.id)).toContain('mixed/broken.pdf');
    const { stdout } = await text(['documents', '--state', 'dead_lettered']);
    expect(stdout).toMatch(/^mixed\/broken\.pdf +1 +dead_lettered +default +0 +unprocessable: /m);

    const removed = await run(['documents', '--delete', 'from-pipe', 'never-was']);
    expect(removed.code).toBe(1);
    expect(removed.lines).toMatchObject([{ id: 'from-pipe' }, { id: 'never-was', error: { status: 404 } }]);
    const { passages } = (await run(['search', 'ravens', '-m', 'lexical'])).lines[0];
    expect(passages.map((passage: any) => passage.document)).not.toContain('from-pipe');
  });

  test('dead letters are listed with their reason, and one shown with its event', async () => {
    const { lines } = await run(['dead-letters']);
    const letter = lines[0].dead_letters.find((row: any) => row.event.subject === 'mixed/broken.pdf');
    expect(letter.message).toContain('PDF');
    const one = await run(['dead-letters', letter.id]);
    expect(one.lines[0].event.data).toMatchObject({ document: 'mixed/broken.pdf' });
    const { stdout } = await text(['dead-letters']);
    expect(stdout).toContain('mixed/broken.pdf');
    expect((await run(['dead-letters', 'none'])).code).toBe(1);
    const subjects = async (...narrowed: string[]) =>
      (await run(['dead-letters', ...narrowed])).lines[0].dead_letters.map((row: any) => row.event.subject);
    expect(await subjects('--subject', 'mixed/broken.pdf')).toEqual(['mixed/broken.pdf']);
    expect(await subjects('--code', letter.code)).toContain('mixed/broken.pdf');
    expect(await subjects('--type', 'dev.knarr.query.asked.v1')).toEqual([]);
  });

  test('dead letters are sent off again: by id, by reason, or all', async () => {
    expect((await run(['replay'])).stderr).toContain('--all');
    expect((await run(['replay', '--code', 'nothing-like-it'])).code).toBe(1);
    const again = await run(['replay', '--subject', 'mixed/broken.pdf']);
    expect(again).toMatchObject({ code: 0, lines: [{ replayed: 1 }] });
    for (let left = 100; ; left--) {
      const [{ dead_letters: letters }] = (await run(['dead-letters'])).lines;
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
    const compared = await run(['reconcile', '--no-repair']);
    expect(compared).toMatchObject({
      code: 0,
      lines: [{ missing: 0, phantom: 0, duplicate: 0, wrong_hash: 0 }],
    });
    expect((await text(['reconcile'])).stdout).toContain('compared:');
    const [{ rebuilding }] = (await run(['rebuild'])).lines;
    expect(rebuilding).toBeGreaterThan(0);
  });
});

describe('without a server', () => {
  test.each([
    ['status'],
    ['documents'],
    ['dead-letters'],
    ['ask', 'x?'],
    ['search', 'x'],
    ['ingest', 'mixed'],
  ])('%s says how to start one', async (...args) => {
    const { code, stderr, lines } = await knarr(['--url', 'http://127.0.0.1:9', ...args], { cwd: folder });
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

test('eval measures a collection in a store of its own', async () => {
  const source = fileURLToPath(new URL('data/squad2-dev-slice/', import.meta.url));
  const lines = async (name: string) => (await readFile(join(source, name), 'utf8')).trim().split('\n');
  const corpus = (await lines('corpus.jsonl')).slice(0, 4);
  const ids = corpus.map((line) => JSON.parse(line)._id);
  const questions = (await lines('questions.jsonl')).filter((line) => ids.includes(JSON.parse(line).passage));
  await write({
    'set/corpus.jsonl': corpus.join('\n'),
    'set/questions.jsonl': questions.slice(0, 8).join('\n'),
  });

  const { code, lines: said } = await run(['eval', 'set']);
  expect(code).toBe(0);
  expect(said[0]).toMatchObject({ folder: 'set', documents: 4, refused: [] });
  for (const mode of ['dense', 'lexical', 'hybrid']) {
    expect(said[0].retrieval[mode]['recall@100'], mode).toBe(1);
  }
  expect(said[0].answers.all.contains_gold).toBeGreaterThan(0);
  expect((await run(['eval', 'mixed'])).stderr).toContain('has no corpus.jsonl');
});

test('up, interrupted at work, keeps what it accepted, and takes no samples a second time', async () => {
  const paragraph = 'The stern was carved by the same hand as the stem, and tarred each spring. '.repeat(40);
  await write(
    Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`late/${i}.txt`, `${i}. ${paragraph}`])),
  );
  const ingest = new Knarr(['--url', url, 'ingest', 'late'], { cwd: folder });
  await ingest.line((line) => line.state === 'indexed');
  expect((await server.stop('SIGINT')).code).toBe(0);
  expect((await ingest.stop('SIGINT')).code).toBe(130);

  server = new Knarr(['up', '--port', '0', '--data', data]);
  url = (await server.line((line) => 'url' in line)).url;
  const documents = async () => (await run(['documents', '--limit', '1000'])).lines[0].documents;
  const late = async () => (await documents()).filter((row: any) => row.id.startsWith('late/'));
  expect((await late()).length).toBeGreaterThan(0);
  const unfinished = async () => (await late()).filter((row: any) => row.state !== 'indexed');
  await expect.poll(unfinished, { timeout: 120_000, interval: 1000 }).toEqual([]);
  expect((await documents()).map((row: any) => row.id)).toContain('examples/normans.md');
  expect(server.lines().filter((line) => 'examples' in line)).toEqual([]);
});
