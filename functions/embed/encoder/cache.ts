import { LRUCache } from 'lru-cache';
import { contentHash } from '../../_shared/ids.ts';
import type { Encoded, EncodeOptions, Encoder } from './port.ts';

interface Cached {
  vector: Float32Array;
  tokens: number;
  truncated: boolean;
}

/** What an entry takes beside its vector and key, bytes. */
const ENTRY_BYTES = 160;

/**
 * An encoder that remembers the vectors of the texts it saw last, exactly: questions that come again, and sentences
 * that occur in many documents of a tenant. Questions and passages have half of `maxBytes` each, so that an ingest leaves the
 * questions there.
 */
export function cached(encoder: Encoder, maxBytes: number): Encoder {
  const half = Math.floor(maxBytes / 2);
  if (half < 1) return encoder;
  const create = () =>
    new LRUCache<string, Cached>({
      maxSize: half,
      sizeCalculation: ({ vector }, key) => vector.byteLength + 2 * key.length + ENTRY_BYTES,
    });
  const caches = { query: create(), passage: create() };

  async function encode(texts: readonly string[], options: EncodeOptions): Promise<Encoded> {
    const cache = caches[options.kind];
    const keys = texts.map((text) => keyOf(options.tenant, text));
    const found = new Map<string, Cached>();
    const missing = new Map<string, string>();
    for (const [index, key] of keys.entries()) {
      const known = found.get(key) ?? cache.get(key);
      if (known) found.set(key, known);
      else missing.set(key, texts[index] as string);
    }
    if (missing.size > 0) {
      const encoded = await encoder.encode([...missing.values()], options);
      [...missing.keys()].forEach((key, index) => {
        const entry = {
          // A copy: the original is part of its whole batch.
          vector: (encoded.vectors[index] as Float32Array).slice(),
          tokens: encoded.tokens[index] as number,
          truncated: encoded.truncated.includes(index),
        };
        cache.set(key, entry);
        found.set(key, entry);
      });
    }
    const entries = keys.map((key) => found.get(key) as Cached);
    return {
      vectors: entries.map(({ vector }) => vector),
      tokens: entries.map(({ tokens }) => tokens),
      truncated: entries.flatMap(({ truncated }, index) => (truncated ? [index] : [])),
    };
  }
  return { ...encoder, encode };
}

/** Short texts are their own key; no tenant's name has a line break in it. */
const keyOf = (tenant: string, text: string) => `${tenant}\n${text.length <= 64 ? text : contentHash(text)}`;
