import { accepted, binary, type CorpusCase, DATA, refused, structured, unfit } from './case.ts';

const json = (body: string | Uint8Array, type?: string) => binary({}, { body, ...(type && { type }) });
const withData = (changes: Record<string, unknown>, id = '1') =>
  binary({ id }, { body: JSON.stringify({ ...DATA, ...changes }) });
const latin1 = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));

/** The data of a binary event, and data that is not what the event's type promises. */
export const EVENT_DATA: readonly CorpusCase[] = [
  ...[
    ['{'],
    ['{"document":"a"'],
    ['nothing'],
    ["{'document':'a'}"],
    ['{"document":"a",}'],
    ['{"a":1}{"b":2}'],
    ['{"a":01}'],
    ['{"a":NaN}'],
    ['{"a":"\u0001"}'],
    ['\u0000'],
  ].map(([body]) => refused(`data ${JSON.stringify(body)}`, json(body as string), 'not valid JSON')),
  refused('data that is not UTF-8', json(latin1('{"document":"caf\u00e9"}')), 'not valid UTF-8'),
  refused('text that is not UTF-8', json(latin1('caf\u00e9'), 'text/plain'), 'not valid UTF-8'),
  refused('data with __proto__', json('{"document":"a","__proto__":{"text":"b"}}'), '__proto__'),
  refused('data with constructor.prototype', json('{"constructor":{"prototype":{"a":1}}}'), '__proto__'),
  refused('data with __proto__ in an escape', json('{"\\u005F\\u005Fproto__":1}'), '__proto__'),
  refused('data of 65 levels', json('['.repeat(65) + ']'.repeat(65)), 'nested deeper'),
  refused('data of 30,000 levels', json('['.repeat(30_000)), 'nested deeper'),
  accepted('data with a byte order mark', json(`\ufeff${JSON.stringify(DATA)}`)),
  accepted(
    'data of another charset by its type',
    json(JSON.stringify(DATA), 'application/json; charset=latin1'),
  ),
  accepted('data with more than is asked for', withData({ more: { deeply: ['nested'] } })),

  unfit('data: no data', json(''), 'The event data is not valid'),
  unfit('data: null', json('null'), 'The event data is not valid'),
  unfit('data: a list', json('[]'), 'The event data is not valid'),
  unfit('data: a string', json('"data"'), 'The event data is not valid'),
  unfit('data: text', json(JSON.stringify(DATA), 'text/plain'), 'The event data is not valid'),
  unfit('data: bytes', json(JSON.stringify(DATA), 'application/octet-stream'), 'The event data is not valid'),
  unfit('no type of the data', binary({}, { type: null }), 'The event data is not valid'),
  unfit('a type of the data that is none', json(JSON.stringify(DATA), ';;;'), 'The event data is not valid'),
  unfit('structured, without data', structured({ data: undefined }), 'The event data is not valid'),
  unfit('structured, data: null', structured({ data: null }), 'The event data is not valid'),
  unfit('structured, data: "text"', structured({ data: 'text' }), 'The event data is not valid'),

  unfit('no document', json('{"text":"a"}'), 'document'),
  unfit('an empty id', withData({ document: '' }), 'document'),
  unfit('an id with a control character', withData({ document: 'a\u0000b' }), 'document'),
  unfit('an id that is half a surrogate pair', json('{"document":"\\ud800","text":"a"}'), 'document'),
  unfit('an id of 513 characters', withData({ document: 'a'.repeat(513) }), 'document'),
  unfit('an id that is a number', withData({ document: 7 }), 'document'),
  unfit('a text of more than 48 KiB', withData({ text: 'a'.repeat(48 * 1024 + 1) }), 'text'),
  unfit('a text that is a list', withData({ text: ['a'] }), 'text'),
  unfit('a URI that is none', withData({ text: undefined, uri: 'not a uri' }), 'uri'),
  unfit('a collection in capitals', withData({ collection: 'Docs' }), 'collection'),
  unfit('a collection that climbs', withData({ collection: '../etc' }), 'collection'),
  unfit('a title of 1,025 characters', withData({ title: 'a'.repeat(1025) }), 'title'),
  unfit('metadata that is a list', withData({ metadata: ['a'] }), 'metadata'),
  unfit('metadata that is nested', withData({ metadata: { a: { b: 1 } } }), 'metadata'),
  unfit('metadata beyond number', json('{"document":"a","text":"b","metadata":{"n":1e999}}'), 'metadata'),
  unfit(
    'metadata of 65 keys',
    withData({ metadata: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, n])) }),
    'metadata',
  ),
  unfit('readers that are no list', withData({ acl: '*' }), 'acl'),
  unfit('readers that are no names', withData({ acl: [1] }), 'acl'),
  accepted('a text of 48 KiB', withData({ text: 'a'.repeat(48 * 1024) }, 'long')),
  accepted('an id of emoji and slashes', withData({ document: '\u26f5/\ud83d\ude80/../\u202e' }, 'emoji')),
];
