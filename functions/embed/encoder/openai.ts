import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { KnarrError } from '../../_shared/errors.ts';
import { callScope } from '../../_shared/runtime/call.ts';
import { decodeVector } from '../../_shared/vectors.ts';
import type { Encoded, EncodeOptions, Encoder } from './port.ts';

export interface OpenAIEncoderOptions {
  /** Up to and including `/v1`. */
  baseUrl: string;
  apiKey?: string | undefined;
  model: string;
  dimensions: number;
  timeoutMs: number;
}

const ATTEMPTS = 4;
/** Texts of one request; servers limit it, and 128 stays below all known limits. */
const BATCH = 128;
const MAX_RETRY_AFTER_S = 10;

const Answer = z.object({
  data: z.array(z.object({ index: z.int().min(0), embedding: z.union([z.string(), z.array(z.number())]) })),
  usage: z.object({ prompt_tokens: z.number() }).partial().optional(),
});

/** Embeddings from an OpenAI-compatible server. It does not tell tokens by text, so `tokens` are 0 and nothing counts as cut. */
export function createOpenAIEncoder(options: OpenAIEncoderOptions): Encoder {
  const { model, dimensions } = options;
  return {
    model,
    dimensions,
    async encode(texts, callOptions): Promise<Encoded> {
      const scope = callScope(callOptions.signal, callOptions.deadline ?? Date.now() + options.timeoutMs);
      try {
        const vectors: Float32Array[] = [];
        for (let start = 0; start < texts.length; start += BATCH) {
          vectors.push(...(await embedBatch(options, texts.slice(start, start + BATCH), scope.signal)));
        }
        return { vectors, tokens: texts.map(() => 0), truncated: [] };
      } catch (thrown) {
        throw scope.signal.aborted ? KnarrError.from(scope.signal.reason) : thrown;
      } finally {
        scope.end();
      }
    },
    ready: async () => {},
    close: async () => {},
  };
}

async function embedBatch(
  { baseUrl, apiKey, model, dimensions }: OpenAIEncoderOptions,
  texts: readonly string[],
  signal: EncodeOptions['signal'],
): Promise<Float32Array[]> {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(`${baseUrl.replace(/\/+$/, '')}/embeddings`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(apiKey ? { authorization: `Bearer ${apiKey}` } : {}),
      },
      body: JSON.stringify({ model, input: texts, encoding_format: 'base64' }),
      signal,
    }).catch((error: Error) => error);
    signal.throwIfAborted();
    if (response instanceof Response && response.ok)
      return readVectors(await response.json(), texts.length, dimensions);
    const status = response instanceof Response ? response.status : undefined;
    const mayPass = status === undefined || status === 429 || status >= 500;
    if (!mayPass)
      throw new KnarrError('upstream_failed', `The embedding server refused the request with ${status}.`);
    if (attempt === ATTEMPTS) throw new KnarrError('unavailable', 'The embedding server does not answer.');
    const asked = response instanceof Response ? Number(response.headers.get('retry-after')) : 0;
    if (response instanceof Response) await response.body?.cancel();
    const pause =
      asked > 0 ? Math.min(asked, MAX_RETRY_AFTER_S) * 1000 : 100 * 2 ** attempt * (0.5 + Math.random());
    await sleep(pause, undefined, { signal });
  }
}

function readVectors(body: unknown, count: number, dimensions: number): Float32Array[] {
  const parsed = Answer.safeParse(body);
  const rows = parsed.data?.data.toSorted((a, b) => a.index - b.index) ?? [];
  if (rows.length !== count || rows.some(({ index }, position) => index !== position)) {
    throw new KnarrError(
      'upstream_failed',
      'The embedding server answered with other vectors than were asked for.',
    );
  }
  return rows.map(({ embedding }) => {
    if (typeof embedding === 'string') return decodeVector(embedding, dimensions);
    if (embedding.length === dimensions) return Float32Array.from(embedding);
    throw new KnarrError(
      'model_mismatch',
      `The server's vectors have ${embedding.length} dimensions; ${dimensions} are expected.`,
    );
  });
}
