import { expect, test } from 'vitest';
import { failureOf } from './errors.ts';

test.each([
  [401, 'Must provide an API key or an Authorization bearer token', /check QDRANT_API_KEY/],
  [403, 'Invalid API key or JWT', /check QDRANT_API_KEY/],
  [400, 'Bad request: no vector named api-key', /refused the request with 400/],
  [422, 'payload field "jwt" is no number', /refused the request with 422/],
  [404, "Not found: Collection `access token` doesn't exist!", /no such collection/],
])('%i %s', (status, said, message) => {
  expect(failureOf('qdrant:6333', status, said)).toMatchObject({ message });
});
