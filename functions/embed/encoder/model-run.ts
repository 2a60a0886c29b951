import { type InferenceSession, Tensor } from 'onnxruntime-node';
import { KnarrError } from '../../_shared/errors.ts';
import type { EncoderModel } from '../../_shared/models/folder.ts';
import { normaliseRows, poolTokens } from './pool.ts';

/** Encodes a batch of token ids: `[batch, dimensions]`, row by row. */
export type ModelRun = (batch: readonly number[][]) => Promise<Float32Array>;

/** Outputs of models that pool in their graph, and of those that give a vector for each token. */
const POOLED = 'sentence_embedding';
const BY_TOKEN = ['token_embeddings', 'last_hidden_state'];

/** How to run an exported sentence encoder: its inputs and outputs are recognised by their names. */
export function createModelRun(session: InferenceSession, model: EncoderModel): ModelRun {
  const pools = session.outputNames.includes(POOLED);
  const output = pools ? POOLED : session.outputNames.find((name) => BY_TOKEN.includes(name));
  if (output === undefined) {
    throw new KnarrError(
      'unprocessable',
      `${model.name} gives ${session.outputNames.join(', ')}; one of ${[POOLED, ...BY_TOKEN].join(', ')} is needed.`,
    );
  }

  return async (batch) => {
    const lengths = batch.map((ids) => ids.length);
    const sequence = Math.max(...lengths);
    const feeds = tensors(batch, sequence, model.padToken);
    const wanted = Object.fromEntries(
      Object.entries(feeds).filter(([name]) => session.inputNames.includes(name)),
    );
    const result = (await session.run(wanted, [output]))[output] as Tensor;
    const data = floatsOf(result, model.name);
    const dimensions = result.dims.at(-1) as number;
    const vectors = pools
      ? data
      : poolTokens(data, lengths, { sequence, dimensions, pooling: model.pooling });
    if (model.normalise) normaliseRows(vectors, dimensions);
    return vectors;
  };
}

/** Models in halves may give halves, too. */
function floatsOf({ type, data }: Tensor, name: string): Float32Array {
  if (type === 'float32') return data as Float32Array;
  if (type !== 'float16')
    throw new KnarrError('unprocessable', `${name} gives ${type} vectors; float32 or float16 is needed.`);
  // Where JavaScript has no halves yet, their bits.
  return data instanceof Uint16Array
    ? Float32Array.from(data, halfToFloat)
    : Float32Array.from(data as never);
}

/** An IEEE 754 half-precision number from its bits. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Every input that sentence encoders take, int64 `[batch, sequence]`. */
function tensors(batch: readonly number[][], sequence: number, padToken: number): Record<string, Tensor> {
  const shape = [batch.length, sequence];
  const size = batch.length * sequence;
  const ids = new BigInt64Array(size).fill(BigInt(padToken));
  const mask = new BigInt64Array(size);
  batch.forEach((row, index) => {
    const start = index * sequence;
    ids.set(row.map(BigInt), start);
    mask.fill(1n, start, start + row.length);
  });
  return {
    input_ids: new Tensor('int64', ids, shape),
    attention_mask: new Tensor('int64', mask, shape),
    token_type_ids: new Tensor('int64', new BigInt64Array(size), shape),
  };
}
