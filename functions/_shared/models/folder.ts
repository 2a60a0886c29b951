import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { KnarrError } from '../errors.ts';
import type { Device } from './session.ts';

/** How the vectors of a text's tokens become one; the names are those of Sentence Transformers. */
export const POOLINGS = ['cls', 'mean', 'max', 'mean_sqrt_len_tokens', 'weightedmean', 'lasttoken'] as const;
export type Pooling = (typeof POOLINGS)[number];

/** What a sentence encoder's folder says about the model. */
export interface EncoderModel {
  folder: string;
  /** Name of the folder. */
  name: string;
  dimensions: number;
  /** Tokens the model reads, special tokens counted. */
  maxTokens: number;
  /** For models that do not pool in their graph. */
  pooling: Pooling;
  normalise: boolean;
  /** Put in front of a text before it is tokenised. */
  prefixes: { query: string; passage: string };
  padToken: number;
  /** The model for each device: the same file, or another precision. */
  onnxFiles: Record<Device, string>;
}

/** In order of preference: quantised ones are about twice as fast on a CPU; a GPU computes in halves, and not in int8. */
const ONNX_FILES: Record<Device, string[]> = {
  cpu: ['model_int8.onnx', 'model_quantized.onnx', 'model.onnx', 'model_fp16.onnx'],
  cuda: ['model_fp16.onnx', 'model.onnx', 'model_int8.onnx', 'model_quantized.onnx'],
};
/** What `1_Pooling/config.json` calls the poolings. */
const POOLING_KEYS: Record<string, Pooling> = {
  pooling_mode_cls_token: 'cls',
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_max_tokens: 'max',
  pooling_mode_mean_sqrt_len_tokens: 'mean_sqrt_len_tokens',
  pooling_mode_weightedmean_tokens: 'weightedmean',
  pooling_mode_lasttoken: 'lasttoken',
};
const MODULES = ['Transformer', 'Pooling', 'Normalize'];

interface ModelConfig {
  hidden_size?: number;
  max_position_embeddings?: number;
  pad_token_id?: number | null;
}
interface PoolingConfig {
  word_embedding_dimension?: number;
  pooling_mode?: string;
  include_prompt?: boolean;
  [mode: string]: unknown;
}

/** JSON of a model folder; undefined when the file is not there. Throws `unprocessable` when it is no JSON. */
export function readModelJson<T>(folder: string, name: string): T | undefined {
  const path = join(folder, name);
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch (cause) {
    throw new KnarrError('unprocessable', `${path} is no JSON.`, { cause });
  }
}

/**
 * Reads a folder in the layout of Sentence Transformers (`modules.json`, `1_Pooling/config.json`, …). Throws
 * `unprocessable` naming the file that is missing, or the module or pooling that is not known.
 */
export function readEncoderModel(folder: string): EncoderModel {
  const required = <T>(name: string): T => readModelJson<T>(folder, name) ?? missing(folder, name);
  const config = required<ModelConfig>('config.json');
  const modules = required<{ type: string; path: string }[]>('modules.json').map(({ type, path }) => ({
    kind: type.split('.').at(-1) ?? '',
    path,
  }));
  const unknown = modules.find(({ kind }) => !MODULES.includes(kind));
  if (unknown)
    throw new KnarrError('unprocessable', `${folder} has a ${unknown.kind} module: not supported.`);
  const poolingPath = modules.find(({ kind }) => kind === 'Pooling')?.path ?? '1_Pooling';
  const pooling = required<PoolingConfig>(join(poolingPath, 'config.json'));
  const { maxTokens, prefixes } = readTextLimits(folder);
  if (pooling.include_prompt === false && prefixes.query + prefixes.passage !== '') {
    throw new KnarrError('unprocessable', `${folder} pools without the prompt: not supported.`);
  }
  return {
    folder,
    name: basename(folder),
    dimensions:
      pooling.word_embedding_dimension ?? config.hidden_size ?? missing(folder, 'hidden_size in config.json'),
    maxTokens,
    pooling: poolingOf(folder, pooling),
    normalise: modules.some(({ kind }) => kind === 'Normalize'),
    prefixes,
    padToken: config.pad_token_id ?? 0,
    onnxFiles: { cpu: onnxFileOf(folder, 'cpu'), cuda: onnxFileOf(folder, 'cuda') },
  };
}

function onnxFileOf(folder: string, device: Device): string {
  const names = ONNX_FILES[device].flatMap((name) => [name, `onnx/${name}`]);
  const found = names.map((name) => join(folder, name)).find((path) => existsSync(path));
  return found ?? missing(folder, `a model file (${names.join(', ')})`);
}

/**
 * How much text the model of a folder reads and what it wants in front; the model itself need not be there. Throws
 * `unprocessable` naming the file that is missing.
 */
export function readTextLimits(folder: string): Pick<EncoderModel, 'maxTokens' | 'prefixes'> {
  if (!existsSync(join(folder, 'tokenizer.json'))) missing(folder, 'tokenizer.json');
  const tokenizer =
    readModelJson<{ model_max_length?: number }>(folder, 'tokenizer_config.json') ??
    missing(folder, 'tokenizer_config.json');
  const config = readModelJson<ModelConfig>(folder, 'config.json');
  const limits = readModelJson<{ max_seq_length?: number }>(folder, 'sentence_bert_config.json');
  const { prompts = {} } =
    readModelJson<{ prompts?: Record<string, string> }>(folder, 'config_sentence_transformers.json') ?? {};
  return {
    maxTokens: smallest(limits?.max_seq_length, tokenizer.model_max_length, config?.max_position_embeddings),
    prefixes: { query: prompts.query ?? '', passage: prompts.passage ?? prompts.document ?? '' },
  };
}

function poolingOf(folder: string, config: PoolingConfig): Pooling {
  const named = Object.keys(config).filter((key) => key.startsWith('pooling_mode_') && config[key] === true);
  const modes = config.pooling_mode === undefined ? named : [config.pooling_mode];
  const [mode] = modes;
  const pooling = POOLINGS.find((name) => name === mode) ?? POOLING_KEYS[mode ?? ''];
  if (pooling && modes.length === 1) return pooling;
  throw new KnarrError(
    'unprocessable',
    `${folder} asks for the pooling ${modes.join(' + ')}: not supported.`,
  );
}

/** Tokenizer configurations state 1e30 where there is no limit. */
function smallest(...limits: (number | undefined)[]): number {
  return Math.min(...limits.filter((limit): limit is number => limit !== undefined && limit > 0), 32_768);
}

function missing(folder: string, what: string): never {
  throw new KnarrError('unprocessable', `The model folder ${folder} lacks ${what}.`);
}
