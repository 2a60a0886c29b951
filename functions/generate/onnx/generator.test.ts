import { readFileSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCausalModel } from './causal-model.ts';
import { createOnnxGenerator, type TextGenerator } from './generator.ts';

const FOLDER = 'test/models/tiny-random-llama';
interface Golden {
  prompt: string;
  prompt_ids: number[];
  output_ids: number[];
  output_text: string;
}
const golden = JSON.parse(readFileSync(join(FOLDER, 'golden.json'), 'utf8')).cases as Golden[];
const first = golden[0] as Golden;
const CHAT = [
  { role: 'system' as const, content: 'Answer from the sources.' },
  { role: 'user' as const, content: 'What is a covered work?' },
];

let generator: TextGenerator;
beforeAll(async () => {
  generator = await createOnnxGenerator({ folder: FOLDER, threads: 1, maxWaiting: 2 });
});
afterAll(() => generator.close());

test.each(golden)(
  'continues $prompt with the golden tokens',
  async ({ prompt, prompt_ids, output_ids, output_text }) => {
    const pieces: string[] = [];
    const result = await generator.generate({
      prompt,
      maxTokens: 32,
      onToken: (piece) => pieces.push(piece),
    });
    expect(result).toEqual({
      text: output_text,
      tokens: output_ids,
      promptTokens: prompt_ids.length,
      finish: 'length',
    });
    expect(pieces.join('')).toBe(output_text);
    expect(pieces.length).toBeGreaterThan(1);
  },
);

test("a conversation goes through the model's chat template", async () => {
  const templated = golden.at(-1) as Golden;
  expect(readCausalModel(FOLDER).encode({ messages: CHAT })).toEqual(templated.prompt_ids);
  const { tokens } = await generator.generate({ messages: CHAT, maxTokens: 32 });
  expect(tokens).toEqual(templated.output_ids);
});

test('a prompt read in parts gives the same tokens', async () => {
  const inParts = await createOnnxGenerator({ folder: FOLDER, threads: 1, prefillTokens: 3 });
  try {
    const { tokens } = await inParts.generate({ messages: CHAT, maxTokens: 32 });
    expect(tokens).toEqual(golden.at(-1)?.output_ids);
  } finally {
    await inParts.close();
  }
});

test('sampling is reproducible by its seed', async () => {
  const sample = async (seed: number, topP = 1) =>
    (await generator.generate({ prompt: first.prompt, maxTokens: 24, temperature: 1.5, topP, seed })).tokens;
  const [once, again, other] = [await sample(7), await sample(7), await sample(8)];
  expect(again).toEqual(once);
  expect(other).not.toEqual(once);
  expect(await sample(7, 1e-6), 'a nucleus of one token is greedy').toEqual(first.output_ids.slice(0, 24));
});

test('ends before a stop string and says so', async () => {
  const stop = first.output_text.slice(6, 9);
  const result = await generator.generate({ prompt: first.prompt, maxTokens: 32, stop: [stop] });
  expect(result.text).toBe(first.output_text.slice(0, first.output_text.indexOf(stop)));
  expect(result.finish).toBe('stop');
});

test('ends at an end token, one of several', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'knarr-llm-'));
  const end = first.output_ids[5] as number;
  await cp(FOLDER, folder, { recursive: true });
  await writeFile(join(folder, 'generation_config.json'), JSON.stringify({ eos_token_id: [2, end] }));
  const ending = await createOnnxGenerator({ folder, threads: 1 });
  try {
    const result = await ending.generate({ prompt: first.prompt, maxTokens: 32 });
    expect(result.tokens).toEqual(first.output_ids.slice(0, first.output_ids.indexOf(end)));
    expect(result.finish).toBe('stop');
  } finally {
    await ending.close();
    await rm(folder, { recursive: true });
  }
});

test('the context is the limit of prompt and answer together', async () => {
  const prompt = 'You must '.repeat(60);
  const { promptTokens, tokens, finish } = await generator.generate({ prompt, maxTokens: 4000 });
  expect(promptTokens + tokens.length).toBeLessThanOrEqual(512);
  expect(finish === 'stop' || promptTokens + tokens.length === 512).toBe(true);
  await expect(generator.generate({ prompt: 'You must '.repeat(600) })).rejects.toMatchObject({
    code: 'too_large',
    message: expect.stringContaining('512'),
  });
});

test('an abort ends the generation within a token, and the next job runs', async () => {
  const controller = new AbortController();
  let pieces = 0;
  const aborted = generator.generate({
    prompt: first.prompt,
    maxTokens: 400,
    temperature: 1,
    seed: 3,
    signal: controller.signal,
    onToken: () => {
      pieces++;
      controller.abort();
    },
  });
  await expect(aborted).rejects.toMatchObject({ code: 'cancelled' });
  const { tokens } = await generator.generate({ prompt: first.prompt, maxTokens: 4 });
  expect(tokens).toEqual(first.output_ids.slice(0, 4));
  expect(pieces).toBeLessThan(20);
});

test('what waits is bounded and can be abandoned', async () => {
  const controller = new AbortController();
  const long = generator.generate({ prompt: first.prompt, maxTokens: 100 });
  const waiting = generator.generate({ prompt: 'Hello', maxTokens: 1, signal: controller.signal });
  const next = generator.generate({ prompt: 'Hello', maxTokens: 1 });
  await expect(generator.generate({ prompt: 'Hello' })).rejects.toMatchObject({ code: 'too_many_requests' });
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
  await expect(long).resolves.toMatchObject({ promptTokens: first.prompt_ids.length });
  await expect(next).resolves.toMatchObject({ finish: 'length' });
});

test.each([
  { maxTokens: 0 },
  { temperature: -1 },
  { temperature: Number.NaN },
  { topP: 0 },
  { topP: 1.1 },
  { stop: [''] },
])('refuses %o', async (options) => {
  await expect(generator.generate({ prompt: 'Hello', ...options })).rejects.toMatchObject({
    code: 'invalid_request',
  });
});

test('an empty prompt is refused', async () => {
  await expect(generator.generate({ prompt: '' })).rejects.toMatchObject({ code: 'invalid_request' });
});

test.each(['config.json', 'model.onnx', 'tokenizer.json'])('says that %s is missing', async (file) => {
  const folder = await mkdtemp(join(tmpdir(), 'knarr-llm-'));
  await cp(FOLDER, folder, { recursive: true });
  await rm(join(folder, file));
  expect(() => readCausalModel(folder)).toThrow(file === 'model.onnx' ? 'model file' : file);
  await expect(createOnnxGenerator({ folder, threads: 1 })).rejects.toMatchObject({ code: 'unavailable' });
  await rm(folder, { recursive: true });
});
