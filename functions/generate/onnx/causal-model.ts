import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Template } from '@huggingface/jinja';
import { KnarrError } from '../../_shared/errors.ts';
import { readModelJson } from '../../_shared/models/folder.ts';
import { loadTokenizer } from '../../_shared/models/tokenizer.ts';
import type { Prompt } from './protocol.ts';

/** What a causal language model's folder says about it. */
export interface CausalModel {
  name: string;
  onnxFile: string;
  /** Positions the model has: tokens of prompt and answer together. */
  contextTokens: number;
  /** Tokens that end a text. */
  endTokens: ReadonlySet<number>;
  /** Token ids of a prompt. Throws `unprocessable` for a conversation when the model has no chat template. */
  encode(prompt: Prompt): number[];
  /** Text of generated tokens, special tokens left out. */
  decode(tokens: number[]): string;
}

const ONNX_FILES = ['model.onnx', 'model_q4.onnx', 'model_int8.onnx', 'model_quantized.onnx'];

interface ModelConfig {
  max_position_embeddings?: number;
  eos_token_id?: number | number[];
}
interface TokenizerConfig {
  chat_template?: string;
  [special: string]: unknown;
}

/** Reads a folder in the usual layout of exported models. Throws `unprocessable` naming what is missing. */
export function readCausalModel(folder: string): CausalModel {
  const config = readModelJson<ModelConfig>(folder, 'config.json');
  const generation = readModelJson<ModelConfig>(folder, 'generation_config.json');
  const contextTokens = config?.max_position_embeddings;
  if (!contextTokens) throw incomplete(folder, 'max_position_embeddings in config.json');
  const end = generation?.eos_token_id ?? config.eos_token_id;
  if (end === undefined) throw incomplete(folder, 'eos_token_id in generation_config.json or config.json');
  const onnxFile = ONNX_FILES.flatMap((name) => [join(folder, name), join(folder, 'onnx', name)]).find(
    existsSync,
  );
  if (!onnxFile) throw incomplete(folder, `a model file (${ONNX_FILES.join(', ')})`);
  if (!existsSync(join(folder, 'tokenizer.json'))) throw incomplete(folder, 'tokenizer.json');

  const tokenizer = loadTokenizer(folder);
  const chat = readChatTemplate(folder);
  return {
    name: basename(folder),
    onnxFile,
    contextTokens,
    endTokens: new Set([end].flat()),
    encode(prompt) {
      if ('prompt' in prompt) return tokenizer.encode(prompt.prompt).ids;
      if (!chat) throw new KnarrError('unprocessable', `${basename(folder)} has no chat template.`);
      // The template writes the special tokens itself.
      return tokenizer.encode(chat(prompt.messages), { add_special_tokens: false }).ids;
    },
    decode: (tokens) =>
      tokenizer.decode(tokens, { skip_special_tokens: true, clean_up_tokenization_spaces: false }),
  };
}

function readChatTemplate(folder: string): ((messages: unknown[]) => string) | undefined {
  const config = readModelJson<TokenizerConfig>(folder, 'tokenizer_config.json') ?? {};
  const file = join(folder, 'chat_template.jinja');
  const source = existsSync(file) ? readFileSync(file, 'utf8') : config.chat_template;
  if (source === undefined) return undefined;
  const template = new Template(source);
  const variables: Record<string, unknown> = { add_generation_prompt: true };
  for (const name of ['bos_token', 'eos_token', 'pad_token', 'unk_token']) {
    // A special token is a string, or an object that holds it as `content`.
    const token = config[name] as string | { content: string } | null | undefined;
    if (token) variables[name] = typeof token === 'string' ? token : token.content;
  }
  return (messages) => template.render({ ...variables, messages });
}

const incomplete = (folder: string, missing: string) =>
  new KnarrError('unprocessable', `The model folder ${basename(folder)} lacks ${missing}.`);
