import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { asset } from '../_shared/assets.ts';
import { bytes, type Config, duration, integer, knob, url } from '../_shared/config.ts';
import { EmbedInput, EmbedOutput } from '../_shared/contracts.ts';
import { KnarrError } from '../_shared/errors.ts';
import { generationKnobs } from '../_shared/generation.ts';
import { defineStage } from '../_shared/stage.ts';
import { createOnnxEncoder } from './encoder/onnx.ts';
import { createOpenAIEncoder } from './encoder/openai.ts';
import type { Encoder } from './encoder/port.ts';
import { embed, embedChunks, embedQuestion } from './handler.ts';

export const embedKnobs = {
  embedModel: generationKnobs.embedModel,
  embedDimensions: generationKnobs.embedDimensions,
  backend: knob('KNARR_EMBED_BACKEND', z.enum(['onnx', 'openai']).default('onnx'), 'Where vectors are made.'),
  modelDir: knob(
    'KNARR_EMBED_MODEL_DIR',
    z.string().optional(),
    'Model folder (Sentence Transformers layout with ONNX); default: the shipped one.',
  ),
  workers: knob(
    'KNARR_EMBED_WORKERS',
    integer(Math.min(2, availableParallelism()), 1, 64),
    'Worker threads; with two or more, one is kept for questions.',
  ),
  threads: knob('KNARR_EMBED_THREADS', integer(1, 1, 64), 'Threads inside one run of the model.'),
  tokenBudget: knob('KNARR_EMBED_BATCH_TOKENS', integer(512, 16, 1_000_000), 'Padded tokens of one batch.'),
  queueTokens: knob(
    'KNARR_EMBED_QUEUE_TOKENS',
    integer(262_144, 256, 100_000_000),
    'Tokens that may wait before callers get 429.',
  ),
  cacheBytes: knob('KNARR_EMBED_CACHE', bytes('16MiB'), 'Vectors kept for texts that come again.'),
  openaiUrl: knob('OPENAI_BASE_URL', url(), 'OpenAI-compatible server, up to /v1.'),
  openaiKey: knob('OPENAI_API_KEY', z.string().optional(), 'Its key.', { secret: true }),
  timeout: knob('KNARR_EMBED_TIMEOUT', duration('30s'), 'Longest wait for that server.'),
};

export async function openEncoder(config: Config<typeof embedKnobs>): Promise<Encoder> {
  if (config.backend === 'openai') {
    if (config.openaiUrl === undefined)
      throw new KnarrError('invalid_request', 'KNARR_EMBED_BACKEND=openai needs OPENAI_BASE_URL.');
    return createOpenAIEncoder({
      baseUrl: config.openaiUrl,
      apiKey: config.openaiKey,
      model: config.embedModel,
      dimensions: config.embedDimensions,
      timeoutMs: config.timeout,
    });
  }
  const folder = config.modelDir ?? asset(`models/${config.embedModel}`);
  return createOnnxEncoder({ ...config, folder });
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
  open: async (config) => ({ encoder: await openEncoder(config) }),
  close: ({ encoder }) => encoder.close(),
  ready: ({ encoder }) => encoder.ready(),
  // 2,048 texts of an OpenAI-style request.
  maxBodyBytes: 16 * 1024 * 1024,
});
