import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { KnarrError } from '../errors.ts';
import { ModelThread } from './thread.ts';

const folder = mkdtempSync(join(tmpdir(), 'knarr-thread-'));
afterAll(() => rmSync(folder, { recursive: true }));
const script = join(folder, 'echo.mjs');
writeFileSync(
  script,
  `import { parentPort, workerData, threadId } from 'node:worker_threads';
  if (workerData === 'broken') throw new Error('no such model');
  parentPort.on('message', (text) => {
    if (text.end) process.exit();
    if (text === 'die') process.exit(3);
    const until = Date.now() + (text === 'run' ? 300 : 0);
    while (Date.now() < until);
    parentPort.postMessage(text);
  });
  parentPort.postMessage({ threadId });`,
);

function open(workerData = 'works') {
  const heard: unknown[] = [];
  const deaths: KnarrError[] = [];
  let wake = () => {};
  const happened = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  const thread = new ModelThread<string, string | { threadId: number }, number>({
    script,
    workerData,
    role: 'echo',
    ready: (message) => (typeof message === 'object' ? message.threadId : undefined),
    onMessage: (message) => {
      heard.push(message);
      wake();
    },
    onDeath: (error) => {
      deaths.push(error);
      wake();
    },
  });
  return { thread, heard, deaths, happened };
}

test('starts once, answers, and starts anew after a death', async () => {
  const { thread, heard, deaths, happened } = open();
  const [id, same] = await Promise.all([thread.start(), thread.start()]);
  expect(same).toBe(id);
  const answered = happened();
  thread.post('hello');
  await answered;
  expect(heard).toEqual(['hello']);

  const died = happened();
  thread.post('die');
  await died;
  expect(deaths).toHaveLength(1);
  expect(deaths[0]).toMatchObject({ code: 'unavailable', retryable: true, message: 'The echo stopped.' });
  expect(await thread.start()).not.toBe(id);
  await thread.close();
});

test('a thread that does not start says why, and a closed one does not start', async () => {
  const { thread } = open('broken');
  await expect(thread.start()).rejects.toMatchObject({ code: 'unavailable', message: /no such model/ });
  await thread.close();
  await expect(thread.start()).rejects.toMatchObject({ code: 'unavailable', message: /is closed/ });
});

test('a thread ends after the run it is in', async () => {
  const { thread, heard, deaths } = open();
  await thread.start();
  thread.post('run');
  await thread.close();
  expect(heard).toEqual(['run']);
  expect(deaths).toHaveLength(1);
});
