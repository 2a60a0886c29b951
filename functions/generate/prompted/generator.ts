import type { GenerateInput, GenerateOutput } from '../../_shared/contracts.ts';
import { KnarrError } from '../../_shared/errors.ts';
import { type GenerateCall, type Generator, noAnswer } from '../port.ts';
import { citationsOf, createCitationFilter } from './citations.ts';
import { buildPrompt, type ChatMessage } from './prompt.ts';

export interface CompleteOptions {
  signal: AbortSignal;
  /** Milliseconds since the epoch. */
  deadline?: number | undefined;
  /** Receives the text in pieces, in order. */
  onText(piece: string): void;
}

/** How a text ended: by itself, at the token limit, when its time was up, or refused by the model's filter. */
export type Finish = 'stop' | 'length' | 'deadline' | 'filtered';

/** A language model that continues a conversation. */
export interface ChatModel {
  readonly model: string;
  complete(messages: readonly ChatMessage[], options: CompleteOptions): Promise<Finish>;
  ready(): Promise<void>;
  close(): Promise<void>;
}

/** Models word it in their own way, with or without the sentence they were given. */
const ABSTAINS = new RegExp(
  "^(i('m| am) sorry[,.]?( but)? )?((based on|according to) the (provided |given )?(sources|documents|context), )?(" +
    [
      "(the|these|none of the) (provided |given )?(sources?|documents|context) (do|does|did)?( not|n't)? ?(answer|contain|provide|mention|include|say)",
      "(i|it|this|the question) (cannot|can not|can't|could not|couldn't|am unable to|is not possible to) (be answered|answer|find|determine)",
      'there is no (information|mention|answer)',
      'no information',
    ].join('|') +
    ')',
  'i',
);

const NAMED: Partial<Record<Finish, string>> = {
  length: 'generate.max_tokens',
  deadline: 'generate.deadline',
  filtered: 'generate.filtered',
};

/** Answers by asking a language model, with numbered sources, and checks what it cites. */
export function createPromptedGenerator(chat: ChatModel, maxCharacters: number): Generator {
  async function generate(
    { question, passages }: GenerateInput,
    call: GenerateCall,
  ): Promise<GenerateOutput> {
    if (call.signal.aborted) throw KnarrError.from(call.signal.reason);
    if (passages.length === 0) {
      const output = noAnswer(chat.model);
      call.onProgress?.({ text: output.answer });
      return output;
    }
    const prompt = buildPrompt(question, passages, maxCharacters);
    const filter = createCitationFilter(prompt.sources);
    let answer = '';
    const pass = (text: string) => {
      if (text === '') return;
      answer += text;
      call.onProgress?.({ text });
    };
    const finish = await chat.complete(prompt.messages, {
      signal: call.signal,
      deadline: call.deadline,
      onText: (piece) => pass(filter.write(piece)),
    });
    pass(filter.end());
    if (answer === '') throw new KnarrError('upstream_failed', 'The model gave no text.');

    const degraded: string[] = [];
    if (prompt.sources < passages.length) {
      degraded.push(`generate.sources:${prompt.sources}-${passages.length - 1}`);
    }
    if (filter.unknown.size > 0) degraded.push(`generate.citations:${[...filter.unknown].join(',')}`);
    const named = NAMED[finish];
    if (named) degraded.push(named);
    const citations = citationsOf(answer);
    if (citations.length === 0 && ABSTAINS.test(answer.replaceAll('’', "'"))) {
      return { ...noAnswer(chat.model, degraded), answer };
    }
    if (citations.length === 0) degraded.push('generate.uncited');
    return { answer, answered: true, citations, model: chat.model, degraded };
  }

  return { generate, ready: () => chat.ready(), close: () => chat.close() };
}
