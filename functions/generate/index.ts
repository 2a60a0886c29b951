import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { httpClient } from '../_shared/client.ts';
import { type Config, duration, integer, knob, url } from '../_shared/config.ts';
import { GenerateInput, GenerateOutput } from '../_shared/contracts.ts';
import { KnarrError } from '../_shared/errors.ts';
import { runtimeKnobs } from '../_shared/runtime/start.ts';
import { defineStage } from '../_shared/stage.ts';
import type { StageKey } from '../_shared/stage-key.ts';
import { LEAST_EVIDENCE } from './extractive/evidence.ts';
import { createExtractiveGenerator } from './extractive/generator.ts';
import type { Embed } from './extractive/meaning.ts';
import { answerQuestion, generate } from './handler.ts';
import { createOnnxGenerator } from './onnx/generator.ts';
import { createOpenAIModel } from './openai/chat.ts';
import type { Generator } from './port.ts';
import { createPromptedGenerator } from './prompted/generator.ts';
import { onnxChatModel, promptCharacters } from './prompted/onnx.ts';

const number = (fallback: number, min: number, max: number) =>
  z.coerce.number().min(min).max(max).default(fallback);

export const generateKnobs = {
  backend: knob(
    'KNARR_GENERATE_BACKEND',
    z.enum(['extractive', 'openai', 'onnx']).default('extractive'),
    'What makes answers: quoted sentences, an OpenAI-compatible server, or a local ONNX model.',
  ),
  evidence: knob(
    'KNARR_GENERATE_EVIDENCE',
    number(LEAST_EVIDENCE, 0, 1),
    'Evidence that quoted sentences must have; with more, fewer wrong answers and more questions said to be unanswered.',
  ),
  embedUrl: knob(
    'KNARR_EMBED_URL',
    url(),
    'The embed stage, which the extractive backend asks for meaning when it runs as a process of its own; without it it goes by words.',
  ),
  model: knob(
    'KNARR_GENERATE_MODEL',
    z.string().min(1).max(256).optional(),
    'Model of the OpenAI-compatible server.',
  ),
  modelDir: knob('KNARR_GENERATE_MODEL_DIR', z.string().optional(), 'Folder of the local ONNX model.'),
  threads: knob(
    'KNARR_GENERATE_THREADS',
    integer(Math.max(1, availableParallelism() - 1), 1, 64),
    'Threads of the local model.',
    { usually: 'one less than the CPUs' },
  ),
  openaiUrl: knob('OPENAI_BASE_URL', url(), 'OpenAI-compatible server, up to /v1.'),
  openaiKey: knob('OPENAI_API_KEY', z.string().optional(), 'Its key.', { secret: true }),
  maxTokens: knob(
    'KNARR_GENERATE_MAX_TOKENS',
    integer(256, 1, 32_768),
    'Longest answer of a language model, tokens.',
  ),
  temperature: knob(
    'KNARR_GENERATE_TEMPERATURE',
    number(0, 0, 2),
    'Randomness of a language model; 0 takes the likeliest word.',
  ),
  topP: knob('KNARR_GENERATE_TOP_P', number(1, 0.01, 1), 'Share of the probability that is drawn from.'),
  promptCharacters: knob(
    'KNARR_GENERATE_PROMPT_CHARACTERS',
    integer(24_000, 2_000, 4_000_000),
    'Longest prompt; sources that do not fit are left out and named in degraded.',
  ),
  firstTokenTimeout: knob(
    'KNARR_GENERATE_FIRST_TOKEN_TIMEOUT',
    duration('15s'),
    'Longest wait for the first word of an OpenAI-compatible server.',
  ),
  timeout: knob('KNARR_GENERATE_TIMEOUT', duration('60s'), 'Longest time for a whole answer of it.'),
};
export type GenerateConfig = Config<typeof generateKnobs> & { stageKey?: StageKey | undefined };

/** Opens the backend that the configuration names. `embed` is the embed stage in the same process, if it is there. */
export async function openGenerator(config: GenerateConfig, embed?: Embed): Promise<Generator> {
  if (config.backend === 'extractive') {
    const { embedUrl, stageKey: key } = config;
    return createExtractiveGenerator({
      embed: embed ?? (embedUrl === undefined ? undefined : httpClient(embedUrl, { key })),
      leastEvidence: config.evidence,
    });
  }
  if (config.backend === 'openai') {
    if (config.openaiUrl === undefined || config.model === undefined) {
      throw new KnarrError(
        'invalid_request',
        'KNARR_GENERATE_BACKEND=openai needs OPENAI_BASE_URL and KNARR_GENERATE_MODEL.',
      );
    }
    const chat = createOpenAIModel({
      baseUrl: config.openaiUrl,
      apiKey: config.openaiKey,
      model: config.model,
      maxTokens: config.maxTokens,
      temperature: config.temperature,
      topP: config.topP,
      firstTokenMs: config.firstTokenTimeout,
      totalMs: config.timeout,
    });
    return createPromptedGenerator(chat, config.promptCharacters);
  }
  if (config.modelDir === undefined) {
    throw new KnarrError('invalid_request', 'KNARR_GENERATE_BACKEND=onnx needs KNARR_GENERATE_MODEL_DIR.');
  }
  const generator = await createOnnxGenerator({ folder: config.modelDir, threads: config.threads });
  const characters = promptCharacters(generator.contextTokens, config.maxTokens, config.promptCharacters);
  return createPromptedGenerator(onnxChatModel(generator, config), characters);
}

export const stage = defineStage({
  name: 'generate',
  summary: 'Answers a question from passages, with citations.',
  input: GenerateInput,
  output: GenerateOutput,
  handle: generate,
  on: { 'query.grounded': { produces: ['query.answered'], handle: answerQuestion } },
  knobs: { ...generateKnobs, stageKey: runtimeKnobs.stageKey },
  open: async (config) => ({ generator: await openGenerator(config) }),
  close: ({ generator }) => generator.close(),
  ready: ({ generator }) => generator.ready(),
});
