import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { deflateSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { pdfFile, pdfStream } from '../../../test/support/pdf.ts';
import { createParser, type Parser, type ParserOptions } from './parser.ts';
import { childrenOf } from './testing/children.ts';
import { OPTIONS, SLOW } from './testing/options.ts';

const PARENT = fileURLToPath(new URL('./testing/busy-parent.ts', import.meta.url));
const LATE = fileURLToPath(new URL('./testing/late-parser.js', import.meta.url));
const SHIP = 'The knarr was a Norse merchant ship.';
const plain = (text: string) => ({ bytes: Buffer.from(text), mediaType: 'text/plain', title: null });
/** A million elements take far more memory than their bytes. */
const HUNGRY = { bytes: Buffer.from('<p>x'.repeat(3_000_000)), mediaType: 'text/html', title: null };
/** A page of 200 MB in 200 kB. */
const BOMB = {
  bytes: pdfFile([
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Count 1 /Kids [3 0 R] >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>',
    pdfStream(deflateSync(Buffer.alloc(200 * 2 ** 20, ' '), { level: 1 }), '/Filter /FlateDecode'),
  ]),
  mediaType: 'application/pdf',
  title: null,
};

const open: Parser[] = [];
function parserWith(options: Partial<ParserOptions> = {}): Parser {
  const parser = createParser({ ...OPTIONS, ...options });
  open.push(parser);
  return parser;
}
afterEach(async () => {
  for (const parser of open.splice(0)) await parser.close();
  // A killed process is still listed while the kernel takes its memory back.
  await expect.poll(() => childrenOf(), { timeout: 30_000 }).toEqual([]);
});

test('a document comes back as chunks, from one process for all documents', async () => {
  const parser = parserWith();
  expect(await parser.parse(plain(SHIP))).toEqual({
    title: null,
    textLength: SHIP.length,
    chunks: [{ chunk: 0, text: SHIP, start: 0, end: SHIP.length, headings: [], tokens: 10 }],
  });
  const [child] = childrenOf();
  await Promise.all(['a', 'b', 'c'].map((text) => parser.parse(plain(text))));
  expect(childrenOf()).toEqual([child]);
});

test('the given title counts, cleaned; and so do the sizes of a generation', async () => {
  const parser = parserWith();
  const text = `# Own\n\n${SHIP.repeat(30)}`;
  const request = { bytes: Buffer.from(text), mediaType: 'text/markdown' };
  expect((await parser.parse({ ...request, title: null })).title).toBe('Own');
  const { title, chunks } = await parser.parse({
    ...request,
    title: ' Gi\u200bven\n',
    chunking: { chunkTokens: 32, chunkOverlap: 0 },
  });
  expect(title).toBe('Given');
  expect(Math.max(...chunks.map(({ tokens }) => tokens))).toBeLessThanOrEqual(32);
});

test("a model's prefix takes from what it reads", async () => {
  const model = { ...OPTIONS.model, maxTokens: 40, prefix: 'passage: ' };
  const { chunks } = await parserWith({ model }).parse(plain('Word. '.repeat(500)));
  expect(Math.max(...chunks.map(({ tokens }) => tokens))).toBe(40 - 2 - 2);
});

describe('a document that is too much', () => {
  test('in bytes is refused before it is read', async () => {
    await expect(parserWith({ maxBytes: 10 }).parse(plain('12345678901'))).rejects.toMatchObject({
      code: 'too_large',
      message: 'The document has 11 bytes; 10 are the limit (KNARR_MAX_DOCUMENT_BYTES).',
    });
    expect(childrenOf()).toEqual([]);
  });

  test('in time is ended, and the next one is read', async () => {
    const parser = parserWith({ timeoutMs: 1500 });
    await parser.parse(plain('warm'));
    const [slow, next] = await Promise.allSettled([parser.parse(SLOW), parser.parse(plain(SHIP))]);
    expect(slow).toMatchObject({
      status: 'rejected',
      reason: {
        code: 'unprocessable',
        retryable: false,
        message: 'Reading the document took longer than 1500 ms (KNARR_PARSE_TIMEOUT).',
      },
    });
    expect(next).toMatchObject({ status: 'fulfilled' });
    await expect.poll(() => childrenOf(), { timeout: 30_000 }).toHaveLength(1);
  });

  test.each([
    ["JavaScript's own", HUNGRY, 150],
    ['any other', BOMB, 250],
  ])('in %s memory is ended, and the next one is read', async (_, document, megabytes) => {
    const parser = parserWith({ memoryBytes: megabytes * 2 ** 20 });
    await expect(parser.parse(document)).rejects.toMatchObject({
      code: 'unprocessable',
      retryable: false,
      message: `Reading the document took more memory than ${megabytes} MiB allow (KNARR_PARSE_MEMORY).`,
    });
    expect((await parser.parse(plain(SHIP))).chunks).toHaveLength(1);
  });
});

test('what a document is refused for comes through with its code', async () => {
  const parser = parserWith({ chunk: { ...OPTIONS.chunk, maxTokens: 20 } });
  await expect(parser.parse({ ...plain('x'), mediaType: 'image/png' })).rejects.toMatchObject({
    code: 'unsupported_media_type',
  });
  await expect(parser.parse(plain(SHIP.repeat(9)))).rejects.toMatchObject({ code: 'too_large' });
  await expect(parser.parse(plain(' '))).rejects.toMatchObject({ code: 'unprocessable' });
});

describe('a reader that fails for another reason than the document', () => {
  test.each(['SIGKILL', 'SIGHUP'] as const)('%s from outside: worth another try', async (signal) => {
    const parser = parserWith();
    await parser.parse(plain('warm'));
    const reading = parser.parse(SLOW);
    reading.catch(() => {});
    await sleep(200);
    process.kill(childrenOf()[0] as number, signal);
    await expect(reading).rejects.toMatchObject({
      code: 'unavailable',
      message: `The reader of documents was ended by ${signal}.`,
    });
    expect((await parser.parse(plain(SHIP))).chunks).toHaveLength(1);
  });

  test('an interrupt from the terminal does not end it', async () => {
    const parser = parserWith();
    await parser.parse(plain('warm'));
    const [child] = childrenOf();
    process.kill(child as number, 'SIGINT');
    process.kill(child as number, 'SIGTERM');
    expect((await parser.parse(plain(SHIP))).chunks).toHaveLength(1);
    expect(childrenOf()).toEqual([child]);
  });

  test('killed while it had nothing to do: another takes its place', async () => {
    const parser = parserWith();
    await parser.parse(plain('warm'));
    process.kill(childrenOf()[0] as number, 'SIGKILL');
    while (childrenOf().length > 0) await sleep(10);
    // This process has been told by then, too.
    await sleep(100);
    expect((await parser.parse(plain(SHIP))).chunks).toHaveLength(1);
  });

  test('a library throws, while a document is read or later: no other is blamed', async () => {
    const parser = parserWith({ program: LATE, queue: 9 });
    for (let time = 0; time < 3; time++) {
      const texts = ['NOW', SHIP, 'LATER', SHIP, SHIP, 'LATER', 'NOW', SHIP];
      const read = await Promise.allSettled(texts.map((text) => parser.parse(plain(text))));
      const failed = read.flatMap(({ status }, n) => (status === 'rejected' ? [texts[n]] : []));
      expect(failed).toEqual(['NOW', 'NOW']);
      expect(read[0]).toMatchObject({ reason: { code: 'unprocessable' } });
    }
  });

  test('it does not start: not the fault of the document', async () => {
    const parser = parserWith({ model: { ...OPTIONS.model, folder: '/nowhere' } });
    await expect(parser.parse(plain(SHIP))).rejects.toMatchObject({
      code: 'unavailable',
      message: 'The reader of documents does not start (ENOENT).',
    });
  });
});

describe('callers', () => {
  test('are turned away when too many wait', async () => {
    const parser = parserWith({ queue: 2 });
    const [one, two, three] = ['a', 'b', 'c'].map((text) => parser.parse(plain(text)));
    await expect(parser.parse(plain('d'))).rejects.toMatchObject({
      code: 'too_many_requests',
      retryAfter: 2,
    });
    expect(await Promise.all([one, two, three])).toHaveLength(3);
  });

  test('that go away end the reading, and do not wait for their turn', async () => {
    const parser = parserWith();
    await parser.parse(plain('warm'));
    const gone = new AbortController();
    const reading = parser.parse(SLOW, gone.signal);
    const waiting = parser.parse(plain('b'), gone.signal);
    setTimeout(() => gone.abort(), 200);
    await expect(reading).rejects.toMatchObject({ code: 'cancelled' });
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
    expect((await parser.parse(plain(SHIP))).chunks).toHaveLength(1);
    await expect(parser.parse(plain('a'), AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' });
  });

  test('whose deadline passes are told so', async () => {
    await expect(parserWith().parse(SLOW, AbortSignal.timeout(300))).rejects.toMatchObject({
      code: 'deadline_exceeded',
    });
  });

  test('are told when it is closed, whether they are read or wait', async () => {
    const parser = parserWith();
    await parser.parse(plain('warm'));
    const calls = [parser.parse(SLOW), parser.parse(plain('b'))];
    const settled = Promise.allSettled(calls);
    await sleep(200);
    await parser.close();
    for (const call of [...(await settled), ...(await Promise.allSettled([parser.parse(plain('c'))]))]) {
      expect(call).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
    }
    while (childrenOf().length > 0) await sleep(10);
  });
});

test('without work the processes end, and come back with it', async () => {
  const parser = parserWith({ processes: 2, idleMs: 100 });
  await Promise.all(['a', 'b'].map((text) => parser.parse(plain(text))));
  while (childrenOf().length > 0) await sleep(10);
  expect((await parser.parse(plain(SHIP))).chunks).toHaveLength(1);
});

test('a reader does not outlive its parent, whatever it is busy with', async () => {
  const parent = spawn(process.execPath, ['--import', 'tsx', PARENT], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(createInterface({ input: parent.stdout }), 'line');
  const [reader] = childrenOf(parent.pid);
  const isAlive = () =>
    existsSync(`/proc/${reader}/exe`) &&
    !/^State:\tZ/m.test(readFileSync(`/proc/${reader}/status`, 'latin1'));
  expect(isAlive()).toBe(true);
  parent.kill('SIGKILL');
  while (isAlive()) await sleep(20);
});

test("documents are read beside the event loop: it goes on while one is, and this process's memory does not grow", async () => {
  const parser = parserWith({ timeoutMs: 3000 });
  await parser.parse(plain('warm'));
  const before = process.memoryUsage.rss();
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  let ticks = 0;
  const timer = setInterval(() => ticks++, 5);
  await expect(parser.parse(HUNGRY)).rejects.toMatchObject({ code: 'unprocessable' });
  clearInterval(timer);
  delay.disable();
  expect(ticks).toBeGreaterThan(20);
  expect(delay.count).toBeGreaterThan(20);
  expect(process.memoryUsage.rss() - before).toBeLessThan(200 * 2 ** 20);
});
