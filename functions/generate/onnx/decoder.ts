import { type InferenceSession, Tensor } from 'onnxruntime-node';
import { KnarrError } from '../../_shared/errors.ts';

/** One text being continued: what the model has read so far is kept in its key-value cache. */
export interface Decoding {
  /** Reads further tokens; gives the logits of the token after them. */
  read(tokens: readonly number[]): Promise<Float32Array>;
}

type Cache = Record<string, Tensor>;

/** ONNX's usual names: the output `present.0.key` is the next run's input `past_key_values.0.key`. */
const PAST = 'past_key_values.';
const PRESENT = 'present.';

/** Runs an exported decoder model, giving it the inputs that it declares. */
export function createDecoder(session: InferenceSession): { begin(): Decoding } {
  const pasts = session.inputMetadata.filter(({ name }) => name.startsWith(PAST));
  const wants = (name: string) => session.inputNames.includes(name);
  if (pasts.length === 0) {
    throw new KnarrError('unprocessable', 'The model was exported without a key-value cache.');
  }

  function begin(): Decoding {
    let length = 0;
    let cache: Cache = Object.fromEntries(pasts.map((input) => [input.name, emptyPast(input)]));

    async function read(tokens: readonly number[]): Promise<Float32Array> {
      const total = length + tokens.length;
      const row = (name: string, values: BigInt64Array<ArrayBuffer>) => ({
        [name]: new Tensor('int64', values, [1, values.length]),
      });
      const outputs = await session.run({
        ...row('input_ids', BigInt64Array.from(tokens, BigInt)),
        ...(wants('attention_mask') && row('attention_mask', new BigInt64Array(total).fill(1n))),
        ...(wants('position_ids') &&
          row(
            'position_ids',
            BigInt64Array.from(tokens, (_, index) => BigInt(length + index)),
          )),
        ...(wants('use_cache_branch') && { use_cache_branch: new Tensor('bool', [length > 0], [1]) }),
        ...(wants('num_logits_to_keep') && { num_logits_to_keep: new Tensor('int64', [1n], []) }),
        ...cache,
      });
      cache = Object.fromEntries(
        pasts.map(({ name }) => [name, outputs[PRESENT + name.slice(PAST.length)] as Tensor]),
      );
      length = total;
      return lastLogits(outputs.logits as Tensor);
    }
    return { read };
  }
  return { begin };
}

/** Cache of a text of which nothing has been read: batch 1, past length 0, heads and width from the model. */
function emptyPast(input: InferenceSession.ValueMetadata): Tensor {
  if (!input.isTensor) throw new KnarrError('unprocessable', `${input.name} is no tensor.`);
  const [, heads, , width] = input.shape;
  if (typeof heads !== 'number' || typeof width !== 'number') {
    throw new KnarrError('unprocessable', `The model does not say how large ${input.name} is.`);
  }
  const shape = [1, heads, 0, width];
  if (input.type === 'float16') return new Tensor('float16', new Uint16Array(0), shape);
  if (input.type === 'float32') return new Tensor('float32', new Float32Array(0), shape);
  throw new KnarrError('unprocessable', `A key-value cache of ${input.type} is not supported.`);
}

/** The last position's row of `[1, sequence, vocabulary]`. */
function lastLogits(logits: Tensor): Float32Array {
  if (logits.type !== 'float32') {
    throw new KnarrError('unprocessable', `Logits of ${logits.type} are not supported.`);
  }
  const vocabulary = logits.dims[2] as number;
  const row = (logits.data as Float32Array).subarray(-vocabulary);
  if (Number.isNaN(row[0])) throw new KnarrError('internal', 'The model gave logits that are no numbers.');
  return row;
}
