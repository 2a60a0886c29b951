import { createParser } from 'eventsource-parser';
import { expect, test } from 'vitest';
import { KnarrError } from '../errors.ts';
import { progressStream, wantsStream } from './stream.ts';

const never = new AbortController().signal;
type Work = Parameters<typeof progressStream>[1];

async function events(work: Work, signal = never): Promise<[string | undefined, unknown][]> {
  const said: [string | undefined, unknown][] = [];
  const parser = createParser({ onEvent: ({ event, data }) => said.push([event, JSON.parse(data)]) });
  parser.feed(await progressStream(signal, work).text());
  return said;
}

test('pieces come in order, then the result, whatever characters they hold', async () => {
  const text = 'two\nlines\r\n\u2028 data: x\n\n é 漢';
  expect(
    await events(async (onProgress) => {
      onProgress({ text });
      await Promise.resolve();
      onProgress({ text: '' });
      return { whole: text };
    }),
  ).toEqual([
    ['progress', { text }],
    ['progress', { text: '' }],
    ['result', { whole: text }],
  ]);
});

test('a failure is told after what was said before it, and without its secrets', async () => {
  const said = await events(async (onProgress) => {
    onProgress({ text: 'a' });
    throw new KnarrError('unavailable', 'The model is loading.');
  });
  expect(said).toMatchObject([
    ['progress', { text: 'a' }],
    ['error', { status: 503, code: 'unavailable', detail: 'The model is loading.' }],
  ]);
  expect(
    await events(async () => {
      throw new Error('hunter2');
    }),
  ).toMatchObject([['error', { code: 'internal', detail: expect.not.stringContaining('hunter2') }]]);
});

test('a reader who leaves, and a caller who does, abort the work', async () => {
  let signal: AbortSignal | undefined;
  let late: (() => void) | undefined;
  const work: Work = (onProgress, given) => {
    signal = given;
    late = () => onProgress({ text: 'too late' });
    onProgress({ text: 'a' });
    return new Promise(() => {});
  };
  const reader = progressStream(never, work).body?.getReader();
  await reader?.read();
  expect(signal?.aborted).toBe(false);
  await reader?.cancel();
  expect(signal?.aborted).toBe(true);
  late?.();

  const caller = new AbortController();
  progressStream(caller.signal, work);
  caller.abort();
  expect(signal?.aborted).toBe(true);
});

test('a stream is wanted by those who say so', () => {
  const wants = (accept?: string) =>
    wantsStream(new Request('http://stage/', accept ? { headers: { accept } } : {}));
  expect([wants('text/event-stream'), wants('application/json, text/event-stream;q=0.9')]).toEqual([
    true,
    true,
  ]);
  expect([wants(), wants('*/*'), wants('application/json')]).toEqual([false, false, false]);
  const { headers } = progressStream(never, async () => 1);
  expect(headers.get('content-type')).toBe('text/event-stream');
  expect(headers.get('cache-control')).toBe('no-store');
});
