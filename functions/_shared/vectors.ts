import { KnarrError } from './errors.ts';

/** A float32 vector as base64 of its little-endian bytes: how vectors travel between stages. */
export function encodeVector(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64');
}

/** The reverse of {@link encodeVector}. Throws `invalid_request` when the bytes are no whole number of finite floats or the length differs from `dimensions`. */
export function decodeVector(base64: string, dimensions?: number): Float32Array {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.byteLength === 0 || bytes.byteLength % 4 !== 0) {
    throw new KnarrError(
      'invalid_request',
      `A vector of ${bytes.byteLength} bytes is no sequence of float32 values.`,
    );
  }
  // Copied: a Buffer from the pool may start at an offset that Float32Array cannot address.
  const vector = new Float32Array(new Uint8Array(bytes).buffer);
  if (dimensions !== undefined && vector.length !== dimensions) {
    throw new KnarrError(
      'model_mismatch',
      `The vector has ${vector.length} dimensions; ${dimensions} are expected.`,
    );
  }
  if (!vector.every(Number.isFinite))
    throw new KnarrError('invalid_request', 'A vector has a value that is not finite.');
  return vector;
}
