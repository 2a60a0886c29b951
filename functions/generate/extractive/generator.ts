import type { GenerateInput, GenerateOutput } from '../../_shared/contracts.ts';
import { KnarrError } from '../../_shared/errors.ts';
import { type GenerateCall, type Generator, noAnswer } from '../port.ts';
import { evidence, LEAST_EVIDENCE, suffices } from './evidence.ts';
import { type Embed, meanings } from './meaning.ts';
import { readQuestion } from './question.ts';
import { quote } from './quote.ts';
import { rank, type Scored, scoreWords } from './score.ts';
import { selectSentences } from './select.ts';
import { passageSentences, textFor } from './sentences.ts';

/**
 * Sentences whose meaning is looked at, best by words first. Each costs the embedding of about 30 tokens (4 ms on one
 * core); docs/quality.md has what other limits give and cost.
 */
const CANDIDATES = 6;
/** How much less than the best a sentence may score by words and still be looked at: from further behind hardly any wins. */
const MAX_BEHIND = 0.2;
const MODEL = 'extractive';

export interface ExtractiveOptions {
  /** The embed stage; without it sentences are judged by words alone and every answer says so in `degraded`. */
  embed: Embed | undefined;
  /** Least evidence with which the sources count as answering, in [0, 1]. Default {@link LEAST_EVIDENCE}. */
  leastEvidence?: number | undefined;
}

/** Answers with the one to three sentences of the passages that support the question best, verbatim. */
export function createExtractiveGenerator({
  embed,
  leastEvidence = LEAST_EVIDENCE,
}: ExtractiveOptions): Generator {
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
    const candidates = candidatesOf(rank(scoreWords(question, sentences)));
    if (candidates.length === 0) return answerWith(noAnswer(MODEL));
    const texts = candidates.map(({ sentence }) => textFor(question.stems, sentence));
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
    if (!suffices(support, best, leastEvidence)) return answerWith(noAnswer(MODEL, degraded));
    const quotation = quote(passages, selectSentences(ranked));
    return answerWith({ ...quotation, answered: true, model: MODEL, degraded });
  }

  return { generate, ready: async () => {}, close: async () => {} };
}

function candidatesOf(ranked: readonly Scored[]): Scored[] {
  const least = (ranked[0]?.words ?? 0) - MAX_BEHIND;
  return ranked.slice(0, CANDIDATES).filter(({ words }) => words >= least);
}
