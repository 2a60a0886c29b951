import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';

/** The tokenizer of a model folder (`tokenizer.json` and `tokenizer_config.json`). It neither cuts nor pads. */
export function loadTokenizer(folder: string): Tokenizer {
  const read = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  return new Tokenizer(read('tokenizer.json'), read('tokenizer_config.json'));
}
