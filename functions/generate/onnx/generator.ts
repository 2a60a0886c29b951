import { randomInt } from 'node:crypto';
import { workerFile } from '../../_shared/assets.ts';
import { KnarrError } from '../../_shared/errors.ts';
import type { Device } from '../../_shared/models/session.ts';
import { ModelThread } from '../../_shared/models/thread.ts';
import type { Generated, LlmInfo, LlmReply, LlmRequest, LlmSettings, Prompt, Sampling } from './protocol.ts';

export type { ChatMessage, Generated } from './protocol.ts';

export interface OnnxGeneratorOptions {
  /** Folder of a causal language model: ONNX file, `config.json`, tokenizer, chat template. */
  folder: string;
  /** Threads that share one operator. */
  threads: number;
  device?: Device;
  /** Texts that may wait while one is generated; more are told `too_many_requests`. Default 16. */
  maxWaiting?: number;
  /** Tokens of a prompt read in one run. Default 128. */
  prefillTokens?: number;
}

export type GenerateOptions = Prompt & {
  /** Default 256. */
  maxTokens?: number | undefined;
  /** 0 (default) is greedy; at most 2. */
  temperature?: number | undefined;
  /** (0, 1], default 1. */
  topP?: number | undefined;
  stop?: readonly string[] | undefined;
  /** A random one when absent. */
  seed?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Receives the text in pieces as it is generated; never half a character, never part of a stop string. */
  onToken?: ((piece: string) => void) | undefined;
};

export interface TextGenerator {
  readonly model: string;
  /** Tokens of prompt and answer together, at most. */
  readonly contextTokens: number;
  /**
   * Continues a conversation or a text. Throws `invalid_request` for options out of range, `too_large` for a prompt that
   * leaves no room for an answer, `too_many_requests` when too many wait, `cancelled` or `deadline_exceeded` when `signal`
   * aborts, `unavailable` when the model's thread died.
   */
  generate(options: GenerateOptions): Promise<Generated>;
  /** Throws `unavailable` while the model cannot be run. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

interface Job {
  id: number;
  prompt: Prompt;
  sampling: Sampling;
  onToken: ((piece: string) => void) | undefined;
  resolve(result: Generated): void;
  reject(error: KnarrError): void;
}

/** A causal language model from a folder, run by ONNX Runtime in a thread of its own, one text at a time. Rejects when it cannot be loaded. */
export async function createOnnxGenerator({
  folder,
  threads,
  device = 'cpu',
  maxWaiting = 16,
  prefillTokens = 128,
}: OnnxGeneratorOptions): Promise<TextGenerator> {
  const waiting: Job[] = [];
  let running: Job | undefined;
  let nextId = 0;

  const thread = new ModelThread<LlmRequest, LlmReply, LlmInfo>({
    script: workerFile('llm'),
    workerData: { folder, threads, device, prefillTokens } satisfies LlmSettings,
    role: 'text generation thread',
    ready: (reply) => ('ready' in reply ? reply.ready : undefined),
    onMessage(reply) {
      if ('ready' in reply || reply.id !== running?.id) return;
      if ('piece' in reply) running.onToken?.(reply.piece);
      else if ('result' in reply) finish(({ resolve }) => resolve(reply.result));
      else {
        const { code, message, cause } = reply.error;
        finish(({ reject }) => reject(new KnarrError(code, message, { cause })));
      }
    },
    onDeath: (error) => finish(({ reject }) => reject(error)),
  });

  function finish(settle: (job: Job) => void): void {
    const job = running;
    running = undefined;
    if (job) settle(job);
    next();
  }

  function next(): void {
    if (running) return;
    const job = waiting.shift();
    if (!job) return;
    running = job;
    thread.start().then(
      () => thread.post({ id: job.id, prompt: job.prompt, sampling: job.sampling }),
      (error) => {
        if (running === job) finish(({ reject }) => reject(KnarrError.from(error)));
      },
    );
  }

  function cancel(job: Job, signal: AbortSignal): void {
    const index = waiting.indexOf(job);
    if (index >= 0) waiting.splice(index, 1);
    else thread.post({ cancel: job.id });
    job.reject(KnarrError.from(signal.reason));
  }

  async function generate({ signal, onToken, ...options }: GenerateOptions): Promise<Generated> {
    const sampling = samplingOf(options);
    if (signal?.aborted) throw KnarrError.from(signal.reason);
    if (waiting.length >= maxWaiting) {
      throw new KnarrError('too_many_requests', 'Too many texts wait to be generated.', { retryAfter: 5 });
    }
    let onAbort = () => {};
    try {
      return await new Promise((resolve, reject) => {
        const prompt = 'messages' in options ? { messages: options.messages } : { prompt: options.prompt };
        const job: Job = { id: nextId++, prompt, sampling, onToken, resolve, reject };
        onAbort = () => signal && cancel(job, signal);
        signal?.addEventListener('abort', onAbort, { once: true });
        waiting.push(job);
        next();
      });
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  const { model, contextTokens } = await thread.start();
  return {
    model,
    contextTokens,
    generate,
    async ready() {
      await thread.start();
    },
    async close() {
      for (const { reject } of waiting.splice(0)) {
        reject(new KnarrError('unavailable', 'The text generator is closed.'));
      }
      await thread.close();
    },
  };
}

function samplingOf(options: Omit<GenerateOptions, 'signal' | 'onToken'>): Sampling {
  const { maxTokens = 256, temperature = 0, topP = 1, stop = [], seed = randomInt(2 ** 32) } = options;
  const problem = [
    !(Number.isInteger(maxTokens) && maxTokens >= 1) && 'maxTokens must be a whole number from 1',
    !(temperature >= 0 && temperature <= 2) && 'temperature must be within 0 and 2',
    !(topP > 0 && topP <= 1) && 'topP must be above 0 and at most 1',
    (stop.length > 16 || stop.some((end) => end === '')) &&
      'stop must be at most 16 texts, none of them empty',
    !Number.isInteger(seed) && 'seed must be a whole number',
  ].find((found) => found !== false);
  if (problem) throw new KnarrError('invalid_request', `${problem}.`);
  return { maxTokens, temperature, topP, stop: [...stop], seed };
}
