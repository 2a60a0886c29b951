import type { Tokenizer } from '@huggingface/tokenizers';

export interface Tokenised {
  /** At most as many as the model reads. */
  ids: number[];
  /** How many there were before any cut. */
  tokens: number;
}

/** Token ids of a text, cut to `maxTokens`; the closing special token stays, for tokenizers that add one. */
export function createTokeniser(tokenizer: Tokenizer, maxTokens: number): (text: string) => Tokenised {
  const closing = tokenizer.encode('').ids.at(-1);
  const closes = closing !== undefined && tokenizer.encode('a').ids.at(-1) === closing;
  return (text) => {
    const { ids } = tokenizer.encode(text);
    const tokens = ids.length;
    if (tokens <= maxTokens) return { ids, tokens };
    return {
      ids: closes ? [...ids.slice(0, maxTokens - 1), closing] : ids.slice(0, maxTokens),
      tokens,
    };
  };
}
