import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

export type Pooling = 'mean' | 'cls' | 'max' | 'mean_sqrt_len';

/** What a sentence encoder's folder says about the model. */
export interface EncoderModel {
  folder: string;
  name: string;
  dimensions: number;
  /** Tokens the model reads, special tokens counted. */
  maxTokens: number;
  pooling: Pooling;
  normalise: boolean;
  /** Put in front of a text before it is tokenised. */
  prefixes: { query: string; passage: string };
  onnxFile: string;
}

const ONNX_FILES = [
  'model_int8.onnx',
  'model_quantized.onnx',
  'model.onnx',
  'onnx/model_quantized.onnx',
  'onnx/model.onnx',
];
const POOLINGS: [string, Pooling][] = [
  ['pooling_mode_cls_token', 'cls'],
  ['pooling_mode_mean_tokens', 'mean'],
  ['pooling_mode_max_tokens', 'max'],
  ['pooling_mode_mean_sqrt_len_tokens', 'mean_sqrt_len'],
];

/** JSON of a model folder; undefined when the file is not there. */
export function readModelJson<T>(folder: string, name: string): T | undefined {
  const path = join(folder, name);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : undefined;
}

/**
 * Reads a folder in the layout of Sentence Transformers (`modules.json`, `1_Pooling/config.json`, …). Throws when the
 * ONNX file or the hidden size is missing, or the pooling is one that is not known.
 */
export function readEncoderModel(folder: string): EncoderModel {
  const config =
    readModelJson<{ hidden_size?: number; max_position_embeddings?: number }>(folder, 'config.json') ?? {};
  const pooling = readModelJson<Record<string, boolean | number>>(folder, '1_Pooling/config.json');
  const modules = readModelJson<{ type: string }[]>(folder, 'modules.json') ?? [];
  const limits = readModelJson<{ max_seq_length?: number }>(folder, 'sentence_bert_config.json');
  const prompts =
    readModelJson<{ prompts?: Record<string, string> }>(folder, 'config_sentence_transformers.json')
      ?.prompts ?? {};
  const onnxFile = ONNX_FILES.map((name) => join(folder, name)).find((path) => existsSync(path));
  if (!onnxFile) throw new Error(`${folder} has none of ${ONNX_FILES.join(', ')}.`);
  const dimensions = Number(pooling?.word_embedding_dimension ?? config.hidden_size);
  if (!Number.isInteger(dimensions)) throw new Error(`${folder} does not say how long its vectors are.`);
  return {
    folder,
    name: basename(folder),
    dimensions,
    maxTokens: limits?.max_seq_length ?? config.max_position_embeddings ?? 512,
    pooling: poolingOf(folder, pooling),
    normalise: modules.some(({ type }) => type.endsWith('.Normalize')),
    prefixes: { query: prompts.query ?? '', passage: prompts.passage ?? prompts.document ?? '' },
    onnxFile,
  };
}

function poolingOf(folder: string, config: Record<string, boolean | number> | undefined): Pooling {
  if (!config) return 'mean';
  const chosen = POOLINGS.filter(([key]) => config[key] === true).map(([, pooling]) => pooling);
  if (chosen.length !== 1 || !chosen[0])
    throw new Error(`${folder} asks for a pooling that is not supported.`);
  return chosen[0];
}
