import { KnarrError } from '../../_shared/errors.ts';
import { readEncoderModel } from '../../_shared/models/folder.ts';
import type { Device } from '../../_shared/models/session.ts';
import { cached } from './cache.ts';
import type { Encoder } from './port.ts';
import type { WorkerInfo } from './protocol.ts';
import { createSchedule } from './schedule.ts';
import { EncoderWorker } from './worker.ts';

export interface OnnxEncoderOptions {
  folder: string;
  device?: Device;
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

/** Bytes of UTF-8 to a token, roughly, in English and in Chinese; only queue and batch sizes rest on it. */
const BYTES_PER_TOKEN = 4;

/** A sentence encoder that can tell what it did. */
export interface OnnxEncoder extends Encoder {
  /** Where it runs. */
  readonly device: Device;
  /** Why not where it should. */
  readonly fallback: string | undefined;
  /** Texts that the model was given so far: not the remembered, not the dropped. */
  readonly dispatched: number;
}

/**
 * A sentence encoder from a model folder, run by ONNX Runtime in worker threads. Rejects with `unprocessable` for a folder
 * that it cannot use, `unavailable` when the model cannot be loaded, `model_mismatch` when it gives other vectors than
 * its folder says.
 */
export async function createOnnxEncoder(options: OnnxEncoderOptions): Promise<OnnxEncoder> {
  const { threads, tokenBudget, queueTokens, device = 'cpu' } = options;
  const model = readEncoderModel(options.folder);
  const settings = { ...model, threads, device, tokenBudget };
  const workers = Array.from({ length: options.workers }, () => new EncoderWorker(settings));
  const close = async () => {
    schedule.close();
    await Promise.all(workers.map((worker) => worker.close()));
  };
  const schedule = createSchedule(workers, {
    tokenBudget,
    queueTokens,
    estimate: (text) => Math.min(model.maxTokens, Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN) + 2),
  });
  let info: WorkerInfo | undefined;
  try {
    [info] = await Promise.all(workers.map((worker) => worker.start()));
    if (info?.dimensions !== model.dimensions) {
      throw new KnarrError(
        'model_mismatch',
        `${model.name} gives ${info?.dimensions} dimensions; its folder says ${model.dimensions}.`,
      );
    }
  } catch (thrown) {
    await close();
    throw thrown;
  }

  const encoder: Encoder = {
    model: model.name,
    dimensions: model.dimensions,
    async encode(texts, { kind, signal, deadline }) {
      const results = await schedule.add({
        texts: texts.map((text) => model.prefixes[kind] + text),
        urgent: kind === 'query' || deadline !== undefined,
        signal,
        deadline,
      });
      return {
        vectors: results.map(({ vector }) => vector),
        tokens: results.map(({ tokens }) => tokens),
        truncated: results.flatMap(({ tokens }, index) => (tokens > model.maxTokens ? [index] : [])),
      };
    },
    async ready() {
      await Promise.any(workers.map((worker) => worker.start())).catch((error: AggregateError) => {
        throw error.errors[0];
      });
    },
    close,
  };
  return {
    ...cached(encoder, options.cacheBytes),
    device: info.device,
    fallback: info.fallback,
    get dispatched() {
      return schedule.dispatched;
    },
  };
}
