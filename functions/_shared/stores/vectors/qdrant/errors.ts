import { KnarrError } from '../../../errors.ts';
import { PassingFailure } from '../../../retry.ts';

/**
 * What Qdrant's answer means to a caller. Its own words are the error's cause and not its message: they may name what is
 * nobody else's. Statuses and texts as of 1.18 (`storage/src/content_manager/errors.rs`, `operations/verification`).
 */
export function failureOf(host: string, status: number, said: string, askedMs?: number): Error {
  const cause = new Error(`Qdrant answered ${status}: ${said.slice(0, 2000)}`);
  const error = (code: ConstructorParameters<typeof KnarrError>[0], message: string) =>
    new KnarrError(code, message, { cause });

  const dimensions = /expected dim: (\d+), got (\d+)/.exec(said);
  const unindexed = /Index required but not found for "(.+?)" of/.exec(said);
  if (status === 429 || status >= 500) {
    const why = status === 429 ? 'has too much to do' : `failed with ${status}`;
    return new PassingFailure(error('unavailable', `The vector store at ${host} ${why}.`), askedMs);
  }
  if (status === 408) return error('deadline_exceeded', `The vector store at ${host} was out of time.`);
  if (status === 401 || (status === 403 && /api.?key|access token|jwt/i.test(said))) {
    return error('upstream_failed', `The vector store at ${host} refuses the key: check QDRANT_API_KEY.`);
  }
  if (status === 409) return error('conflict', 'The vector store has it already.');
  if (status === 404) return error('unknown_collection', 'The vector store has no such collection.');
  if (dimensions) {
    return error(
      'model_mismatch',
      `A vector has ${dimensions[2]} dimensions; the collection has ${dimensions[1]}.`,
    );
  }
  if (unindexed) {
    return error(
      'unprocessable',
      `The vector store's strict mode forbids a filter on ${unindexed[1]}, which has no index: see KNARR_QDRANT_RANGE_FIELDS.`,
    );
  }
  if (/(memory|disk) usage is at \d+%/i.test(said)) {
    return error('unavailable', `The vector store at ${host} is full: it takes no more points.`);
  }
  if (/Help: |limit (reached|exceeded)/i.test(said)) {
    return error('unprocessable', `A limit of the vector store's strict mode forbids this: ${limitOf(said)}`);
  }
  if (status === 413 || /payload .*larger than/i.test(said)) {
    return error('too_large', 'The vector store does not take this much at once.');
  }
  return error('upstream_failed', `The vector store at ${host} refused the request with ${status}.`);
}

/** The limit's name and numbers, without what was sent. */
const limitOf = (said: string) =>
  said
    .replace(/ ?Help: .*$/s, '')
    .replace(/^Bad request: /, '')
    .slice(0, 120);
