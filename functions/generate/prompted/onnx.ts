import { KnarrError } from '../../_shared/errors.ts';
import type { TextGenerator } from '../onnx/generator.ts';
import type { ChatModel } from './generator.ts';

export interface OnnxSampling {
  maxTokens: number;
  temperature: number;
  topP: number;
}

/** Fewest characters that a token stands for in ordinary text of any script, for a prompt that surely fits. */
const CHARACTERS_PER_TOKEN = 2;
/** Milliseconds before the deadline at which a text that has begun is ended, so that it still reaches the caller. */
const RESERVE_MS = 5;

/** Characters of prompt that leave a model's context room for the answer, at most `limit`. */
export function promptCharacters(contextTokens: number, maxTokens: number, limit: number): number {
  return Math.min(limit, Math.max(0, contextTokens - maxTokens) * CHARACTERS_PER_TOKEN);
}

/** The local model as one that continues conversations. */
export function onnxChatModel(
  generator: TextGenerator,
  { maxTokens, temperature, topP }: OnnxSampling,
): ChatModel {
  return {
    model: generator.model,
    async complete(messages, { signal, deadline, onText }) {
      const late = new AbortController();
      const timer =
        deadline === undefined
          ? undefined
          : setTimeout(() => late.abort(), Math.max(0, deadline - RESERVE_MS - Date.now()));
      let hasBegun = false;
      try {
        const { finish } = await generator.generate({
          messages: [...messages],
          maxTokens,
          temperature,
          topP,
          signal: AbortSignal.any([signal, late.signal]),
          onToken(piece) {
            hasBegun = true;
            onText(piece);
          },
        });
        return finish;
      } catch (thrown) {
        if (signal.aborted) throw KnarrError.from(signal.reason);
        if (!late.signal.aborted) throw thrown;
        if (hasBegun) return 'deadline';
        throw new KnarrError('deadline_exceeded', 'The model did not begin before the deadline.', {
          cause: thrown,
        });
      } finally {
        clearTimeout(timer);
      }
    },
    ready: () => generator.ready(),
    close: () => generator.close(),
  };
}
