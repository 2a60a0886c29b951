import type { GenerateInput, GenerateOutput } from '../_shared/contracts.ts';
import type { Call, Logger } from '../_shared/stage.ts';

/** What an answer says when the sources do not answer the question. */
export const NO_ANSWER = 'The sources do not answer this question.';

/** What a backend may use of the call it works for. */
export type GenerateCall = Call & { log: Logger };

/** Makes an answer from passages. Every backend keeps the same promises. */
export interface Generator {
  /**
   * Citations lie inside the answer and name passages that were given. `onProgress` receives the answer's text in
   * order while it is made; the pieces together are the answer.
   * Without an answer in the sources it gives `answered: false`, no citations and an answer that says so: {@link NO_ANSWER},
   * or what a model wrote in its place.
   * Throws `cancelled` or `deadline_exceeded` when the call ended first, `unavailable` or `upstream_failed` when the
   * backend did.
   */
  generate(input: GenerateInput, call: GenerateCall): Promise<GenerateOutput>;
  /** Throws while the backend cannot work. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

/** The output for a question that the sources do not answer. */
export function noAnswer(model: string, degraded: string[] = []): GenerateOutput {
  return { answer: NO_ANSWER, answered: false, citations: [], model, degraded };
}
