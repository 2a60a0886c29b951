import type { EmbedInput, EmbedOutput } from '../../_shared/contracts.ts';
import { KnarrError } from '../../_shared/errors.ts';
import type { Call, StageClient } from '../../_shared/stage.ts';
import { decodeVector } from '../../_shared/vectors.ts';

export type Embed = StageClient<EmbedInput, EmbedOutput>;

/** Milliseconds that embedding a handful of sentences needs; with less left it is not begun. */
const LEAST_TIME_MS = 12;
/** Milliseconds kept for making the answer after the embeddings came. */
const RESERVE_MS = 3;

/**
 * Cosine of the question and each sentence, or undefined when the embeddings cannot be had in time: the embed stage
 * fails for now, or too little is left until the deadline. Throws when the caller has gone or the stage refuses for good.
 */
export async function meanings(
  question: string,
  sentences: readonly string[],
  embed: Embed,
  call: Call,
): Promise<number[] | undefined> {
  const time = call.deadline === undefined ? undefined : call.deadline - Date.now() - RESERVE_MS;
  if (time !== undefined && time < LEAST_TIME_MS) return undefined;
  const late = new AbortController();
  const timer = time === undefined ? undefined : setTimeout(() => late.abort(), time);
  const inner: Call = {
    ...call,
    onProgress: undefined,
    deadline: time === undefined ? undefined : Date.now() + time,
    signal: AbortSignal.any([call.signal, late.signal]),
  };
  const work = Promise.all([
    // On its own and as a question, which the embed stage has cached since the search.
    embed({ texts: [question], kind: 'query' }, inner),
    embed({ texts: [...sentences], kind: 'passage' }, inner),
  ]);
  try {
    const [asked, read] = await Promise.race([work, aborted(inner.signal)]);
    const vector = decodeVector(asked.vectors[0] ?? '', asked.dimensions);
    return sentences.map((_, index) =>
      cosine(vector, decodeVector(read.vectors[index] ?? '', asked.dimensions)),
    );
  } catch (thrown) {
    if (call.signal.aborted) throw KnarrError.from(call.signal.reason);
    if (late.signal.aborted) return undefined;
    const error = KnarrError.from(thrown);
    if (error.retryable) return undefined;
    throw error;
  } finally {
    clearTimeout(timer);
    work.catch(() => {});
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = () => reject(KnarrError.from(signal.reason));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

/** In [−1, 1]; 0 when one of them has no length. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let dot = 0;
  let lengthA = 0;
  let lengthB = 0;
  for (let index = 0; index < a.length; index++) {
    const [x, y] = [a[index] as number, b[index] as number];
    dot += x * y;
    lengthA += x * x;
    lengthB += y * y;
  }
  return lengthA === 0 || lengthB === 0 ? 0 : dot / Math.sqrt(lengthA * lengthB);
}
