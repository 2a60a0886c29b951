import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { asset } from '../_shared/assets.ts';
import { bytes, type Config, duration, integer, knob, url } from '../_shared/config.ts';
import { EmbedInput, EmbedOutput } from '../_shared/contracts.ts';
import { KnarrError } from '../_shared/errors.ts';
import { generationKnobs } from '../_shared/generation.ts';
import { DEVICES } from '../_shared/models/session.ts';
import { defineStage, type StageTools } from '../_shared/stage.ts';
import { createOnnxEncoder, type OnnxEncoder } from './encoder/onnx.ts';
import { createOpenAIEncoder } from './encoder/openai.ts';
import type { Encoder } from './encoder/port.ts';
import { embed, embedChunks, embedQuestion } from './handler.ts';

export const embedKnobs = {
  embedModel: generationKnobs.embedModel,
  embedDimensions: generationKnobs.embedDimensions,
  backend: knob(
    'KNARR_EMBED_BACKEND',
    z.enum(['onnx', 'openai']).default('onnx'),
    'Where vectors are made: `onnx`, here by ONNX Runtime; `openai`, by an OpenAI-compatible server.',
  ),
  modelDir: knob(
    'KNARR_EMBED_MODEL_DIR',
    z.string().optional(),
    'Model folder in the layout of Sentence Transformers with an ONNX file; its name is the name of the model. Unset: the folder shipped under `models/` by the name in KNARR_EMBED_MODEL.',
  ),
  device: knob(
    'KNARR_EMBED_DEVICE',
    z.enum(DEVICES).default('cpu'),
    'What ONNX Runtime runs the model on: `cuda` needs its CUDA provider, as in `images/cuda.Dockerfile`, and takes a model in fp16 where the folder has one. Where it cannot be had, the model runs on the CPU: the log, `/info` and `knarr_embed_device` say so.',
  ),
  workers: knob(
    'KNARR_EMBED_WORKERS',
    integer(Math.min(2, availableParallelism()), 1, 64),
    'Worker threads, each with the model in its memory. While questions come, the first of several is theirs.',
    { usually: '2, at most the CPUs' },
  ),
  threads: knob(
    'KNARR_EMBED_THREADS',
    integer(1, 1, 64),
    'Threads inside one run of the model. Workers × threads should not exceed the CPUs: more workers embed more, more threads embed one text sooner.',
  ),
  tokenBudget: knob(
    'KNARR_EMBED_BATCH_TOKENS',
    integer(256, 16, 1_000_000),
    'Padded tokens of one run of the model. Larger runs gain on a GPU and little on a CPU, and a question waits for the run before it.',
  ),
  queueTokens: knob(
    'KNARR_EMBED_QUEUE_TOKENS',
    integer(262_144, 256, 100_000_000),
    'Tokens that may wait, questions and passages each, before callers get 429.',
  ),
  cacheBytes: knob(
    'KNARR_EMBED_CACHE',
    bytes('16MiB'),
    'Vectors kept for texts that come again; half of it for questions. 0 keeps none.',
  ),
  openaiUrl: knob(
    'OPENAI_BASE_URL',
    url(),
    'OpenAI-compatible server, up to and including `/v1`; for embeddings its model is KNARR_EMBED_MODEL.',
  ),
  openaiKey: knob('OPENAI_API_KEY', z.string().optional(), "The server's key.", { secret: true }),
  timeout: knob(
    'KNARR_EMBED_TIMEOUT',
    duration('30s'),
    'Longest wait for the embedding server, retries included.',
  ),
};

/** The encoder that is configured. Throws `model_mismatch` when a model folder is not what the generation's knobs say. */
export async function openEncoder(config: Config<typeof embedKnobs>): Promise<Encoder> {
  const { embedModel: model, embedDimensions: dimensions } = config;
  if (config.backend === 'openai') {
    if (config.openaiUrl === undefined) {
      throw new KnarrError('invalid_request', 'KNARR_EMBED_BACKEND=openai needs OPENAI_BASE_URL.');
    }
    return createOpenAIEncoder({
      baseUrl: config.openaiUrl,
      apiKey: config.openaiKey,
      model,
      dimensions,
      timeoutMs: config.timeout,
      cacheBytes: config.cacheBytes,
    });
  }
  const folder = config.modelDir ?? asset(`models/${model}`);
  const encoder = await createOnnxEncoder({ ...config, folder });
  if (encoder.model === model && encoder.dimensions === dimensions) return encoder;
  await encoder.close();
  throw new KnarrError(
    'model_mismatch',
    `The model folder holds ${encoder.model} with ${encoder.dimensions} dimensions; KNARR_EMBED_MODEL and KNARR_EMBED_DIMENSIONS say ${model} with ${dimensions}.`,
  );
}

/** Where the model runs, and why not elsewhere; nothing for a server's model. */
function deviceOf(encoder: Encoder): { device?: string; fallback?: string } {
  if (!('device' in encoder)) return {};
  const { device, fallback } = encoder as OnnxEncoder;
  return { device, ...(fallback !== undefined && { fallback }) };
}

/** Where the model runs, once and for all to see: in the log and as a metric. */
export function tellDevice(encoder: Encoder, wanted: string, { log, metrics }: StageTools): void {
  const { device, fallback } = deviceOf(encoder);
  if (device === undefined) return;
  const fields = { model: encoder.model, device, wanted };
  if (fallback === undefined) log.info(fields, 'the embedding model is ready');
  else log.warn({ ...fields, reason: fallback }, 'the embedding model runs on the CPU');
  const read = () => [{ value: 1, labels: { device, wanted } }];
  metrics.gauge('knarr_embed_device', 'What the embedding model runs on, and should.', read);
}

export const stage = defineStage({
  name: 'embed',
  summary: 'Turns text into vectors.',
  input: EmbedInput,
  output: EmbedOutput,
  handle: embed,
  on: {
    'chunks.created': { produces: ['chunks.embedded'], handle: embedChunks },
    'query.asked': { produces: ['query.embedded'], handle: embedQuestion },
  },
  knobs: embedKnobs,
  async open(config, tools) {
    const encoder = await openEncoder(config);
    tellDevice(encoder, config.device, tools);
    return { encoder };
  },
  found: ({ encoder }) => deviceOf(encoder),
  close: ({ encoder }) => encoder.close(),
  ready: ({ encoder }) => encoder.ready(),
  // 2,048 texts of an OpenAI-style request.
  maxBodyBytes: 16 * 1024 * 1024,
});
