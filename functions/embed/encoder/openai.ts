import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { KnarrError } from '../../_shared/errors.ts';
import { callScope } from '../../_shared/runtime/call.ts';
import { decodeVector } from '../../_shared/vectors.ts';
import { cached } from './cache.ts';
import type { Encoded, Encoder } from './port.ts';

export interface OpenAIEncoderOptions {
  /** Up to and including `/v1`. */
  baseUrl: string;
  apiKey?: string | undefined;
  model: string;
  /** What the server's vectors must have. */
  dimensions: number;
  /** Longest wait for one call, retries included. */
  timeoutMs: number;
  /** Bytes of vectors kept for texts that come again. Default none. */
  cacheBytes?: number;
}

const ATTEMPTS = 4;
/** Doubled with each attempt, milliseconds; half of it is random, so that callers do not return all at once. */
const FIRST_PAUSE_MS = 200;
const MAX_RETRY_AFTER_S = 10;
/** Texts of one request; servers limit it, and 128 stays below all known limits. */
const BATCH = 128;
/** A number of a vector in JSON, at most, with room to spare. */
const BYTES_PER_NUMBER = 32;

const Answer = z.object({
  data: z.array(z.object({ index: z.int().min(0), embedding: z.union([z.string(), z.array(z.number())]) })),
  usage: z.object({ prompt_tokens: z.number() }).partial().optional(),
});

interface Batch {
  vectors: Float32Array[];
  tokens: number[];
}

/**
 * Embeddings from an OpenAI-compatible server. The server tells tokens of a whole request only: `tokens` shares them out
 * by length. It is never asked to cut a text, so `truncated` is empty; a text that is too long is refused.
 */
export function createOpenAIEncoder(options: OpenAIEncoderOptions): Encoder {
  const { model, dimensions, timeoutMs, cacheBytes = 0 } = options;
  const encoder: Encoder = {
    model,
    dimensions,
    async encode(texts, { signal, deadline = Number.POSITIVE_INFINITY }): Promise<Encoded> {
      const scope = callScope(signal, Math.min(deadline, Date.now() + timeoutMs));
      try {
        const result: Encoded = { vectors: [], tokens: [], truncated: [] };
        for (let start = 0; start < texts.length; start += BATCH) {
          const batch = await embedBatch(options, texts.slice(start, start + BATCH), scope.signal);
          result.vectors.push(...batch.vectors);
          result.tokens.push(...batch.tokens);
        }
        return result;
      } catch (thrown) {
        throw scope.signal.aborted ? KnarrError.from(scope.signal.reason) : thrown;
      } finally {
        scope.end();
      }
    },
    ready: async () => {},
    close: async () => {},
  };
  return cached(encoder, cacheBytes);
}

async function embedBatch(
  options: OpenAIEncoderOptions,
  texts: readonly string[],
  signal: AbortSignal,
): Promise<Batch> {
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    const response = await post(options, texts, signal);
    if (response instanceof Response && response.ok) return readBatch(response, texts, options.dimensions);
    const status = response instanceof Response ? response.status : undefined;
    if (response instanceof Response) await response.body?.cancel();
    if (status !== undefined && status !== 429 && status < 500) {
      throw new KnarrError('upstream_failed', `The embedding server refused the request with ${status}.`);
    }
    if (attempt === ATTEMPTS) {
      throw new KnarrError(
        'unavailable',
        status === undefined
          ? 'The embedding server does not answer.'
          : `The embedding server answers with ${status}.`,
        { cause: response instanceof Error ? response : undefined },
      );
    }
    const retryAfter = Number((response instanceof Response && response.headers.get('retry-after')) || 0);
    const pause =
      retryAfter > 0
        ? Math.min(retryAfter, MAX_RETRY_AFTER_S) * 1000
        : FIRST_PAUSE_MS * 2 ** (attempt - 1) * (0.5 + Math.random() / 2);
    await sleep(pause, undefined, { signal });
  }
}

/** The response, or why there is none. */
function post(
  { baseUrl, apiKey, model }: OpenAIEncoderOptions,
  input: readonly string[],
  signal: AbortSignal,
): Promise<Response | Error> {
  return fetch(`${baseUrl.replace(/\/+$/, '')}/embeddings`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(apiKey && { authorization: `Bearer ${apiKey}` }),
    },
    body: JSON.stringify({ model, input, encoding_format: 'base64' }),
    signal,
    redirect: 'manual',
  }).catch((error: Error) => error);
}

async function readBatch(response: Response, texts: readonly string[], dimensions: number): Promise<Batch> {
  const parsed = Answer.safeParse(
    await readJson(response, 65_536 + texts.length * dimensions * BYTES_PER_NUMBER),
  );
  const rows = parsed.data?.data.toSorted((a, b) => a.index - b.index) ?? [];
  if (rows.length !== texts.length || rows.some(({ index }, position) => index !== position)) {
    throw new KnarrError(
      'upstream_failed',
      'The embedding server answered with other vectors than were asked for.',
    );
  }
  const bytes = texts.map((text) => Buffer.byteLength(text));
  const perByte =
    (parsed.data?.usage?.prompt_tokens ?? 0) /
    Math.max(
      1,
      bytes.reduce((sum, n) => sum + n, 0),
    );
  return {
    vectors: rows.map(({ embedding }) => readVector(embedding, dimensions)),
    tokens: bytes.map((count) => Math.round(count * perByte)),
  };
}

/** Undefined when it is no JSON. Throws `upstream_failed` beyond `limit` bytes. */
async function readJson(response: Response, limit: number): Promise<unknown> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.length;
    if (size > limit) throw new KnarrError('upstream_failed', 'The embedding server answers without end.');
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'));
  } catch {
    return undefined;
  }
}

function readVector(embedding: string | number[], dimensions: number): Float32Array {
  const vector = typeof embedding === 'string' ? decodeVector(embedding) : Float32Array.from(embedding);
  if (vector.length === dimensions) return vector;
  throw new KnarrError(
    'model_mismatch',
    `The embedding server's vectors have ${vector.length} dimensions; ${dimensions} are expected.`,
  );
}
