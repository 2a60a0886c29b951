import type { GenerateInput, GenerateOutput } from '../../_shared/contracts.ts';
import { KnarrError } from '../../_shared/errors.ts';
import { type GenerateCall, type Generator, noAnswer } from '../port.ts';
import { evidence, suffices } from './evidence.ts';
import { type Embed, meanings } from './meaning.ts';
import { readQuestion } from './question.ts';
import { quote } from './quote.ts';
import { rank, scoreWords } from './score.ts';
import { selectSentences } from './select.ts';
import { passageSentences } from './sentences.ts';

/**
 * Sentences whose meaning is looked at, best by words first. Each costs the embedding of about 30 tokens (4 ms on one
 * core); with 6 or 8 of them the answers are as good as with all, by bench/answers.ts.
 */
const CANDIDATES = 8;
const MODEL = 'extractive';

export interface ExtractiveOptions {
  /** The embed stage; without it sentences are judged by words alone and every answer says so in `degraded`. */
  embed: Embed | undefined;
}

/** Answers with the one to three sentences of the passages that support the question best, verbatim. */
export function createExtractiveGenerator({ embed }: ExtractiveOptions): Generator {
  async function generate(
    { question: text, passages }: GenerateInput,
    call: GenerateCall,
  ): Promise<GenerateOutput> {
    if (call.signal.aborted) throw KnarrError.from(call.signal.reason);
    const degraded: string[] = [];
    const answerWith = (output: GenerateOutput) => {
      call.onProgress?.({ text: output.answer });
      return output;
    };

    const question = readQuestion(text);
    const sentences = passageSentences(passages);
    const candidates = rank(scoreWords(question, sentences)).slice(0, CANDIDATES);
    if (candidates.length === 0) return answerWith(noAnswer(MODEL));
    const texts = candidates.map(({ sentence }) => sentence.text);
    const cosines = embed && (await meanings(text, texts, embed, call));
    if (!cosines) degraded.push('generate.meaning');
    const ranked = cosines
      ? rank(candidates.map((scored, index) => ({ ...scored, meaning: cosines[index] as number })))
      : candidates;

    const best = ranked[0] as (typeof ranked)[number];
    const { source } = best.sentence;
    const support = evidence(
      question,
      best,
      sentences.filter((sentence) => sentence.source === source),
      passages[source]?.title ?? null,
    );
    if (!suffices(support, best)) return answerWith(noAnswer(MODEL, degraded));
    const quotation = quote(selectSentences(question, ranked, sentences));
    return answerWith({ ...quotation, answered: true, model: MODEL, degraded });
  }

  return { generate, ready: async () => {}, close: async () => {} };
}
