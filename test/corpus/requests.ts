import { gzipSync } from 'node:zlib';

/** A request to the gateway's API, and how it is refused. */
export interface BadRequest {
  name: string;
  method: 'POST' | 'PUT';
  path: string;
  type: string;
  body: string | Uint8Array;
  headers?: Record<string, string>;
  status: number;
  code: string;
  /** Part of the problem details' `detail`. */
  says: string;
}

type Refusal = [status: number, code: string, says: string];
type Request = Omit<BadRequest, 'name' | 'status' | 'code' | 'says'>;
const refused = (name: string, request: Request, [status, code, says]: Refusal): BadRequest => ({
  name,
  ...request,
  status,
  code,
  says,
});

const MIB = 1024 * 1024;
const JSON_TYPE = 'application/json';
const put = (
  body: Request['body'],
  type = JSON_TYPE,
  headers: Record<string, string> = {},
  id = 'bad',
): Request => ({
  method: 'PUT',
  path: `/v1/documents/${id}`,
  body,
  type,
  headers,
});
const post = (path: string, body: object | string, headers: Record<string, string> = {}): Request => ({
  method: 'POST',
  path,
  body: typeof body === 'string' ? body : JSON.stringify(body),
  type: JSON_TYPE,
  headers,
});
const event = (changes: object, type = 'application/cloudevents+json'): Request => {
  const valid = { specversion: '1.0', id: '1', source: '/test', type: 'dev.knarr.document.submitted.v1' };
  const data = { document: 'event', text: 'text' };
  return { ...post('/v1/events', { ...valid, data, ...changes }), type };
};
/** JSON whose member `text` is nested one level less. */
const nested = (levels: number) => `{"text":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;

const values = Array.from({ length: 250 }, (_, n) => n);

const invalid = (says: string): Refusal => [400, 'invalid_request', says];
const tooLarge = (bytes: number): Refusal => [413, 'too_large', `larger than ${bytes} bytes`];
const unreadable: Refusal = [415, 'unsupported_media_type', 'known are text/plain'];
const unknown: Refusal = [404, 'unknown_collection', 'There is no collection nowhere.'];

/** Refused at the door, before anything is kept; a document may have 16 MiB. */
export const REQUESTS: readonly BadRequest[] = [
  refused('an event without its id', event({ id: undefined }), [400, 'malformed_event', 'id is missing']),
  refused('an event whose data is no document', event({ data: [] }), invalid('The event data')),
  refused('an event of a stage', event({ type: 'dev.knarr.chunks.embedded.v1' }), [
    403,
    'forbidden',
    'Only dev.knarr',
  ]),
  refused('an event of 65 KiB', event({ pad: 'x'.repeat(65 * 1024) }), tooLarge(64 * 1024)),
  refused('a batch of events', event({}, 'application/cloudevents-batch+json'), [
    415,
    'unsupported_media_type',
    'Batched',
  ]),

  refused('an empty file', put('', 'text/plain'), [422, 'unprocessable', 'The document is empty']),
  refused('an empty text', put('{"text":""}'), [422, 'unprocessable', 'text: is empty']),
  refused('an unknown media type', put('x', 'application/x-tar'), unreadable),
  refused('a media type that says nothing', put('x', 'application/octet-stream'), unreadable),
  refused('a file of 17 MiB', put(new Uint8Array(17 * MIB), 'text/plain'), tooLarge(16 * MIB)),
  refused(
    'a gzip bomb of 256 MiB',
    put(gzipSync(Buffer.alloc(256 * MIB)), 'text/plain', { 'content-encoding': 'gzip' }),
    tooLarge(16 * MIB),
  ),
  refused(
    'gzip that is none',
    put('x', 'text/plain', { 'content-encoding': 'gzip' }),
    invalid('not valid gzip'),
  ),
  refused('base64 that is none', put('{"data":"???","content_type":"text/plain"}'), invalid('not base64')),
  refused(
    'a form without a file',
    put('--b\r\n\r\n--b--', 'multipart/form-data; boundary=b'),
    invalid('form-data'),
  ),
  refused(
    'JSON that is not UTF-8',
    put(Buffer.from('{"text":"caf\xe9"}', 'latin1')),
    invalid('not valid UTF-8'),
  ),
  refused('JSON cut short', put('{"text":"a'), invalid('not valid JSON')),
  refused('half a surrogate pair', put('{"text":"\\ud800"}'), invalid('surrogate')),
  refused('JSON of 65 levels', put(nested(65)), invalid('nested deeper than 64')),
  refused('JSON of 200,000 levels', put(nested(200_000)), invalid('nested deeper than 64')),
  refused('__proto__ as a key', put('{"text":"a","__proto__":{"acl":["*"]}}'), invalid('__proto__')),
  refused('__proto__ in metadata', put('{"text":"a","metadata":{"__proto__":"x"}}'), invalid('__proto__')),
  refused(
    'constructor.prototype',
    put('{"text":"a","metadata":{"constructor":{"prototype":1}}}'),
    invalid('prototype'),
  ),
  refused(
    '__proto__ in a filter',
    post('/v1/search', '{"query":"a","filter":{"eq":{"__proto__":1}}}'),
    invalid('__proto__'),
  ),
  refused('text and a URI at once', put('{"text":"a","uri":"https://example.org/"}'), invalid('exactly one')),
  refused('a member nobody knows', put('{"text":"a","tenant":"other"}'), invalid('tenant')),
  refused('an id of 513 characters', put('{"text":"a"}', JSON_TYPE, {}, 'x'.repeat(513)), invalid('id')),
  refused('an id that is no UTF-8', put('{"text":"a"}', JSON_TYPE, {}, '%ff'), invalid('percent-encoded')),
  refused('a document at a private address', put('{"uri":"http://169.254.169.254/"}'), [
    403,
    'forbidden',
    'not a public address',
  ]),

  refused(
    'a search of an unknown collection',
    post('/v1/search', { query: 'ship', collection: 'nowhere' }),
    unknown,
  ),
  refused(
    'a question to an unknown collection',
    post('/v1/rag', { question: 'Ship?', collection: 'nowhere' }),
    unknown,
  ),
  refused(
    'the same, to be answered later',
    post('/v1/rag', { question: 'Ship?', collection: 'nowhere' }, { prefer: 'respond-async' }),
    unknown,
  ),
  refused(
    'a collection that climbs',
    post('/v1/search', { query: 'ship', collection: '../etc' }),
    invalid('collection'),
  ),
  refused('a question of white space', post('/v1/rag', { question: ' \n ' }), invalid('blank')),
  refused(
    'a question of 8,193 characters',
    post('/v1/rag', { question: 'x'.repeat(8193) }),
    invalid('question'),
  ),
  refused('a question of 1 MiB', post('/v1/rag', { question: 'x'.repeat(MIB) }), tooLarge(256 * 1024)),
  refused(
    'a filter nobody knows',
    post('/v1/search', { query: 'a', filter: { like: { a: 'b' } } }),
    invalid('filter'),
  ),
  refused(
    'a filter of 100 levels',
    post('/v1/search', `{"query":"a","filter":${'{"not":'.repeat(99)}{}${'}'.repeat(100)}`),
    invalid('nested deeper'),
  ),
  refused(
    'a filter of 16,000 values',
    post('/v1/search', {
      query: 'a',
      filter: { or: Array(16).fill({ or: Array(4).fill({ in: { a: values } }) }) },
    }),
    invalid('at most 512 values'),
  ),
  refused('no passages at all', post('/v1/search', { query: 'a', limit: 0 }), invalid('limit')),
];
