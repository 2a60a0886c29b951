import { KnarrError } from '../../errors.ts';
import type { Point, VectorQuery, VectorScope } from './port.ts';

/** Throws `model_mismatch` for a point whose vector has not the scope's length. */
export function checkVectors({ dimensions }: VectorScope, points: readonly Point[]): void {
  for (const { vector } of points) {
    if (vector.length === dimensions) continue;
    throw new KnarrError(
      'model_mismatch',
      `A vector has ${vector.length} dimensions; ${dimensions} are expected.`,
    );
  }
}

/** Throws `invalid_request` when the query lacks what its mode needs, `model_mismatch` on a wrong vector length. */
export function checkQuery({ mode, vector, text }: VectorQuery, dimensions: number): void {
  if (mode !== 'lexical') {
    if (!vector) throw new KnarrError('invalid_request', `A ${mode} search needs a vector.`);
    if (vector.length !== dimensions) {
      throw new KnarrError(
        'model_mismatch',
        `The question's vector has ${vector.length} dimensions; the collection has ${dimensions}.`,
      );
    }
  }
  if (mode !== 'dense' && text === undefined)
    throw new KnarrError('invalid_request', `A ${mode} search needs a text.`);
}
