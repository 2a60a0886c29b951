import { expect, test } from 'vitest';
import { z } from 'zod';
import { type ErrorCode, KnarrError } from '../errors.ts';
import { seededRandom } from '../testing.ts';
import { problemOf, problemResponse, validate } from './problem.ts';

const { below, pick } = seededRandom('problem details');

test('problem details are below 768 bytes whatever an error says, and keep what names it', async () => {
  for (let run = 0; run < 300; run++) {
    const character = pick(['a', '"', '\\', '\n', 'é', '漢', '\u{1F600}', '\u0000', '\ud800']);
    const details = {
      errors: Array.from({ length: below(6) }, () => ({
        path: character.repeat(below(80)),
        message: 'wrong',
      })),
      state: pick([undefined, 'deleted', { nested: character.repeat(below(2000)) }]),
    };
    const code = pick<ErrorCode>(['invalid_request', 'internal', 'too_many_requests']);
    const error = new KnarrError(code, character.repeat(below(3000)), { details });
    const body = await problemResponse(error).text();
    expect(Buffer.byteLength(body)).toBeLessThan(768);
    expect(JSON.parse(body)).toMatchObject({ type: 'about:blank', status: error.status, code });
  }
});

test('members of an error stand beside the standard ones while there is room', () => {
  const error = new KnarrError('not_found', 'It was deleted.', { details: { state: 'deleted' } });
  expect(problemOf(error)).toEqual({
    type: 'about:blank',
    title: 'not found',
    status: 404,
    code: 'not_found',
    detail: 'It was deleted.',
    state: 'deleted',
  });
});

// What a Broker does: 404, 408, 409, 429 and 5xx are retried; the RabbitMQ Broker acknowledges 400, 401 and 403.
test.each<[ErrorCode, number, number]>([
  ['malformed_event', 400, 400],
  ['invalid_request', 400, 422],
  ['unauthenticated', 401, 422],
  ['forbidden', 403, 422],
  ['not_found', 404, 422],
  ['unknown_collection', 404, 422],
  ['conflict', 409, 422],
  ['too_large', 413, 413],
  ['unsupported_media_type', 415, 415],
  ['unprocessable', 422, 422],
  ['model_mismatch', 422, 422],
  ['too_many_requests', 429, 429],
  ['cancelled', 499, 503],
  ['internal', 500, 500],
  ['upstream_failed', 502, 502],
  ['unavailable', 503, 503],
  ['deadline_exceeded', 504, 504],
])('%s is %i to a request and %i to an event', (code, request, event) => {
  const error = new KnarrError(code, 'why');
  expect([problemResponse(error).status, problemResponse(error, 'event').status]).toEqual([request, event]);
});

test('a failure that nobody foresaw tells nothing of itself', async () => {
  const body = await problemResponse(new Error('password=hunter2')).text();
  expect(body).not.toContain('hunter2');
  expect(JSON.parse(body)).toMatchObject({ status: 500, code: 'internal' });
});

test('an invalid input is told by path and reason, the first few', () => {
  const schema = z.object({ a: z.object({ b: z.int() }), c: z.array(z.string()) });
  expect(validate(schema, { a: { b: 1 }, c: [], d: 1 })).toEqual({ a: { b: 1 }, c: [] });
  try {
    validate(schema, { a: { b: 'x' }, c: Array(100).fill(1) }, 'The body');
    expect.unreachable();
  } catch (thrown) {
    const { message, details } = thrown as KnarrError;
    expect(message).toMatch(/^The body is not valid: a\.b: /);
    expect((details.errors as { path: string }[]).map(({ path }) => path)).toEqual([
      'a.b',
      'c.0',
      'c.1',
      'c.2',
    ]);
  }
});
