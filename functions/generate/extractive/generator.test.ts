import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { EmbedInput, Passage } from '../../_shared/contracts.ts';
import { KnarrError } from '../../_shared/errors.ts';
import { encodeVector } from '../../_shared/vectors.ts';
import { NO_ANSWER } from '../port.ts';
import { callOf, passageOf } from '../samples.ts';
import { createExtractiveGenerator } from './generator.ts';
import type { Embed } from './meaning.ts';
import { contentWords } from './words.ts';

const NORMANS = passageOf(
  'The Normans were the people who in the 10th and 11th centuries gave their name to Normandy, a region in France. ' +
    'They were descended from Norse raiders and pirates from Denmark, Iceland and Norway. ' +
    'Under their leader Rollo they agreed to swear fealty to King Charles III.',
  { title: 'Normans' },
);
const TURING = passageOf('A Turing machine is a mathematical model of a general computing machine.', {
  title: 'Complexity',
});

/** Embeds a text as its stems hashed to 256 dimensions: alike words, alike meaning. */
const embed: Embed = async ({ texts }) => ({
  model: 'stems',
  dimensions: 256,
  vectors: texts.map((text) => {
    const vector = new Float32Array(256);
    for (const { stem } of contentWords(text)) {
      let hash = 0;
      for (const character of stem) hash = (hash * 31 + character.charCodeAt(0)) % 256;
      vector[hash] = 1;
    }
    return encodeVector(vector);
  }),
  tokens: texts.map(() => 0),
  truncated: [],
});
const generator = createExtractiveGenerator({ embed });
const ask = (question: string, passages: Passage[], options: Parameters<typeof callOf>[0] = {}) =>
  generator.generate({ question, passages }, callOf(options));

test('answers with verbatim sentences, each cited', async () => {
  const passages = [TURING, NORMANS];
  const pieces: string[] = [];
  const output = await ask(
    'Who was the leader of the Normans who swore fealty to King Charles III?',
    passages,
    {
      onProgress: ({ text }) => pieces.push(text),
    },
  );
  expect(output).toMatchObject({ answered: true, model: 'extractive', degraded: [] });
  expect(output.answer).toContain('Rollo');
  expect(pieces.join('')).toBe(output.answer);
  expect(output.citations.length).toBeGreaterThan(0);
  for (const { source, start, end } of output.citations) {
    expect(passages[source]?.text).toContain(output.answer.slice(start, end));
  }
});

test.each([
  ['nothing was found', 'Who was the leader?', []],
  ['the subject is another', 'How do bees make honey?', [NORMANS, TURING]],
  ['a number is another', 'Who gave their name to Normandy in the 12th and 13th centuries?', [NORMANS]],
  [
    'a name is another',
    'Under which leader did the Mongols agree to swear fealty to King Charles III?',
    [NORMANS],
  ],
  ['the question negates', 'Who did not swear fealty to King Charles III under Rollo?', [NORMANS]],
])('says that the sources do not answer when %s', async (_, question, passages) => {
  expect(await ask(question, passages)).toMatchObject({ answer: NO_ANSWER, answered: false, citations: [] });
});

test('what overlapping chunks share is quoted once', async () => {
  const output = await ask('Where did the Norse raiders and pirates come from?', [NORMANS, NORMANS]);
  expect(output.answer.match(/Denmark/g)).toHaveLength(1);
});

test.each([
  [
    'In what year was the Epte treaty with Rollo concluded?',
    'The Epte treaty made Rollo a vassal of the king of West Francia. It was concluded at Saint-Clair in the year 911.',
  ],
  // What was asked for is in the second sentence, most of the question's words are in the first.
  [
    'What did the crew of the Skuldelev ship carry?',
    'The Skuldelev ship was built near Bergen for a crew of eight. They carried wool.',
  ],
])(
  'a sentence that begins with a pronoun is found, and brings the one it refers to: %s',
  async (question, text) => {
    const passage = passageOf(`${text} The harbour lay to the south of the town.`);
    const { answer, citations } = await ask(question, [TURING, passage]);
    expect(answer).toBe(text);
    expect(citations).toEqual([{ source: 1, start: 0, end: text.length }]);
  },
);

test('a stricter measure of evidence says more often that the sources do not answer', async () => {
  const question = 'Which leader of the Normans swore fealty to King Charles III?';
  const answered = async (leastEvidence: number) =>
    (
      await createExtractiveGenerator({ embed, leastEvidence }).generate(
        { question, passages: [NORMANS] },
        callOf(),
      )
    ).answered;
  expect([await answered(0), await answered(1)]).toEqual([true, false]);
});

test('goes by words when the embed stage fails for now', async () => {
  const failing = createExtractiveGenerator({
    embed: () => Promise.reject(new KnarrError('too_many_requests', 'The embedding queue is full.')),
  });
  const question = 'Which leader of the Normans swore fealty to King Charles III?';
  const output = await failing.generate({ question, passages: [NORMANS] }, callOf());
  expect(output).toMatchObject({ answered: true, degraded: ['generate.meaning'] });
  expect(output.answer).toContain('Rollo');
});

test('does not begin embedding when too little time is left, and lets go of one that is late', async () => {
  const seen: AbortSignal[] = [];
  const hanging = createExtractiveGenerator({
    embed: (_input: EmbedInput, call) => {
      seen.push(call.signal);
      return new Promise(() => {});
    },
  });
  const input = { question: 'Which leader swore fealty to King Charles III?', passages: [NORMANS] };
  const none = await hanging.generate(input, callOf({ deadline: Date.now() + 5 }));
  expect(none.degraded).toEqual(['generate.meaning']);
  expect(seen).toHaveLength(0);
  const late = await hanging.generate(input, callOf({ deadline: Date.now() + 60 }));
  expect(late.degraded).toEqual(['generate.meaning']);
  expect(seen.length).toBeGreaterThan(0);
  expect(seen.every((signal) => signal.aborted)).toBe(true);
});

test('a refusal of the embed stage and a caller that has gone are errors', async () => {
  const refusing = createExtractiveGenerator({
    embed: () => Promise.reject(new KnarrError('model_mismatch', 'Other model.')),
  });
  const input = { question: 'Which leader swore fealty?', passages: [NORMANS] };
  await expect(refusing.generate(input, callOf())).rejects.toMatchObject({ code: 'model_mismatch' });
  const controller = new AbortController();
  const hanging = createExtractiveGenerator({ embed: () => new Promise(() => {}) });
  const answer = hanging.generate(input, callOf({ signal: controller.signal }));
  controller.abort();
  await expect(answer).rejects.toMatchObject({ code: 'cancelled' });
});

test('by words alone, with the paragraphs around the right one, most answers contain a gold answer', async () => {
  const read = (name: string) =>
    readFileSync(new URL(`../../../test/data/squad2-dev-slice/${name}`, import.meta.url), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  const corpus: { _id: string; title: string; text: string }[] = read('corpus.jsonl');
  const questions: { text: string; passage: string; answers: string[]; answerable: boolean }[] =
    read('questions.jsonl');
  const byWords = createExtractiveGenerator({ embed: undefined });
  let contained = 0;
  let abstained = 0;
  for (const { text, passage, answers, answerable } of questions) {
    const place = corpus.findIndex(({ _id }) => _id === passage);
    const near = corpus.slice(Math.max(0, place - 2), place + 3).reverse();
    const passages = near.map((document) => passageOf(document.text, { title: document.title }));
    const output = await byWords.generate({ question: text, passages }, callOf());
    if (answerable && output.answered && answers.some((gold) => output.answer.includes(gold))) contained++;
    if (!answerable && !output.answered) abstained++;
  }
  const count = questions.filter(({ answerable }) => answerable).length;
  expect(contained / count).toBeGreaterThan(0.65);
  expect(abstained / (questions.length - count)).toBeGreaterThan(0.3);
});
