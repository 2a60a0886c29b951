import { LRUCache } from 'lru-cache';
import { KnarrError } from '../../_shared/errors.ts';
import { contentHash } from '../../_shared/ids.ts';
import { readEncoderModel } from '../../_shared/models/folder.ts';
import type { Encoded, EncodeOptions, Encoder } from './port.ts';
import { createSchedule, type Entry } from './schedule.ts';
import { EncoderWorker } from './worker.ts';

export interface OnnxEncoderOptions {
  folder: string;
  /** Worker threads, each with a session of its own. */
  workers: number;
  /** Threads inside one session. */
  threads: number;
  /** Padded tokens of one run. */
  tokenBudget: number;
  /** Estimated tokens that may wait before callers are turned away. */
  queueTokens: number;
  /** Bytes of vectors kept for texts that come again; 0 keeps none. */
  cacheBytes: number;
}

/** Roughly the characters of a WordPiece token in English; only queue and batch sizes rest on it. */
const CHARACTERS_PER_TOKEN = 3.5;

/** A sentence encoder from a model folder, run by ONNX Runtime in worker threads. Rejects when the model cannot be loaded. */
export async function createOnnxEncoder(options: OnnxEncoderOptions): Promise<Encoder> {
  const model = readEncoderModel(options.folder);
  const workers = Array.from(
    { length: options.workers },
    () => new EncoderWorker({ ...model, threads: options.threads }),
  );
  const [dimensions] = await Promise.all(workers.map((worker) => worker.start()));
  if (dimensions !== model.dimensions) {
    throw new KnarrError(
      'model_mismatch',
      `${model.name} gives ${dimensions} dimensions; its folder says ${model.dimensions}.`,
    );
  }
  const schedule = createSchedule(workers, options);
  const cache = new LRUCache<string, { vector: Float32Array; tokens: number }>({
    maxSize: Math.max(1, options.cacheBytes),
    sizeCalculation: ({ vector }, key) => vector.byteLength + key.length + 64,
  });

  const estimate = (text: string) =>
    Math.min(model.maxTokens, Math.ceil(text.length / CHARACTERS_PER_TOKEN) + 2);

  async function encode(
    texts: readonly string[],
    { kind, signal, deadline }: EncodeOptions,
  ): Promise<Encoded> {
    const results = await Promise.all(
      texts.map(async (text) => {
        const input = model.prefixes[kind] + text;
        const key = input.length > 256 ? contentHash(input) : input;
        const cached = cache.get(key);
        if (cached) return cached;
        const entry: Entry = { text: input, estimate: estimate(input), signal, deadline };
        const encoded = await schedule.add(entry);
        if (options.cacheBytes > 0) cache.set(key, encoded);
        return encoded;
      }),
    );
    return {
      vectors: results.map(({ vector }) => vector),
      tokens: results.map(({ tokens }) => tokens),
      truncated: results.flatMap(({ tokens }, index) => (tokens > model.maxTokens ? [index] : [])),
    };
  }

  return {
    model: model.name,
    dimensions: model.dimensions,
    encode,
    async ready() {
      await Promise.any(workers.map((worker) => worker.start())).catch((error: AggregateError) => {
        throw error.errors[0];
      });
    },
    async close() {
      schedule.close();
      await Promise.all(workers.map((worker) => worker.close()));
    },
  };
}
