import { afterAll, beforeAll, expect, test } from 'vitest';
import { createOnnxGenerator, type TextGenerator } from '../onnx/generator.ts';
import { onnxChatModel, promptCharacters } from './onnx.ts';
import type { ChatMessage } from './prompt.ts';

let generator: TextGenerator;
beforeAll(async () => {
  generator = await createOnnxGenerator({ folder: 'test/models/tiny-random-llama', threads: 1 });
});
afterAll(() => generator.close());

const MESSAGES: ChatMessage[] = [
  { role: 'system', content: 'Answer from the sources.' },
  { role: 'user', content: 'What is a covered work?' },
];
const chat = () => onnxChatModel(generator, { maxTokens: 400, temperature: 0, topP: 1 });

test('a deadline ends a text that has begun', async () => {
  const { signal } = new AbortController();
  const whole: string[] = [];
  expect(await chat().complete(MESSAGES, { signal, onText: (piece) => whole.push(piece) })).toBe('length');

  // The time is up as soon as the first piece is there. A busy machine may need longer to get that far.
  const pieces: string[] = [];
  let finish: string | undefined;
  for (let patience = 25; finish === undefined; patience *= 2) {
    const deadline = Date.now() + patience;
    const onText = (piece: string) => {
      pieces.push(piece);
      while (Date.now() < deadline);
    };
    finish = await chat()
      .complete(MESSAGES, { signal, deadline, onText })
      .catch((error) => {
        expect(error.code).toBe('deadline_exceeded');
        expect(pieces).toEqual([]);
        return undefined;
      });
  }
  expect(finish).toBe('deadline');
  expect(whole.join('').startsWith(pieces.join(''))).toBe(true);
  expect(pieces.length).toBeLessThan(whole.length);
});

test('a deadline before the first piece, and a caller that goes, are errors', async () => {
  const { signal } = new AbortController();
  const onText = () => {};
  await expect(chat().complete(MESSAGES, { signal, deadline: Date.now() - 1, onText })).rejects.toMatchObject(
    {
      code: 'deadline_exceeded',
    },
  );
  const caller = new AbortController();
  await expect(
    chat().complete(MESSAGES, { signal: caller.signal, onText: () => caller.abort() }),
  ).rejects.toMatchObject({ code: 'cancelled' });
});

test('a prompt leaves the context room for the answer', () => {
  expect(promptCharacters(4096, 256, 24_000)).toBe(7680);
  expect(promptCharacters(128_000, 256, 24_000)).toBe(24_000);
  expect(promptCharacters(128, 256, 24_000)).toBe(0);
});
