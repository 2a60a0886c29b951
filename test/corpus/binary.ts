import { accepted, binary, type CorpusCase, refused, withHeaders } from './case.ts';

const REQUIRED = ['specversion', 'id', 'source', 'type'];

/** Context attributes in headers: CloudEvents 1.0, HTTP protocol binding §3.1. */
export const BINARY: readonly CorpusCase[] = [
  ...REQUIRED.map((name) => refused(`no ce-${name}`, binary({ [name]: undefined }), `${name} is missing`)),
  ...REQUIRED.filter((name) => name !== 'specversion').map((name) =>
    refused(`empty ce-${name}`, binary({ [name]: '' }), `${name} is empty`),
  ),
  refused('empty ce-specversion', binary({ specversion: '' }), 'specversion is not 1.0'),
  refused('blank ce-id', binary({ id: '   ' }), 'id is empty'),
  refused('ce-id of an empty quoted string', binary({ id: '""' }), 'id is empty'),
  refused('empty ce-subject', binary({ subject: '' }), 'subject is empty'),
  refused('empty ce-time', binary({ time: '' }), 'time is empty'),
  refused('empty ce-dataschema', binary({ dataschema: '' }), 'dataschema is empty'),
  refused('only ce-id', { headers: [['ce-id', '1']], body: '{}' }, 'specversion is missing'),
  refused('only ce-type', { headers: [['ce-type', 'a']], body: '{}' }, 'specversion is missing'),

  ...['0.3', '1', '1.0.0', '1.1', '2.0', '9.0', 'v1.0', '1,0'].map((specversion) =>
    refused(`ce-specversion ${specversion}`, binary({ specversion }), 'specversion is not 1.0'),
  ),
  accepted('ce-specversion with white space around', binary({ specversion: ' 1.0 ' })),

  ...['a b', '<x>', 'http://[::1', '/%zz', '{}', '\\path', 'http://a b/', '/^', '/|'].map((source) =>
    refused(`ce-source ${source}`, binary({ source }), 'source is not a URI-reference'),
  ),
  refused('ce-source outside ASCII', binary({ source: '/%C3%BC' }), 'source is not a URI-reference'),
  ...['/', 'urn:uuid:1', 'mailto:a@example.org', '#fragment', '?q=1', '//host/path', 'http://[::1]:80/'].map(
    (source) => accepted(`ce-source ${source}`, binary({ source })),
  ),
  accepted('a long ce-source', binary({ source: `/${'a'.repeat(8000)}` })),

  ...[
    'yesterday',
    '2024-01-01',
    '2024-13-01T00:00:00Z',
    '2024-02-30T00:00:00Z',
    '2023-02-29T00:00:00Z',
    '2024-01-01T25:00:00Z',
    '2024-01-01T00:61:00Z',
    '2024-01-01T00:00:00',
    '2024-01-01 00:00:00Z',
    '24-01-01T00:00:00Z',
    '2024-01-01T00:00:00+25:00',
    '1704067200',
  ].map((time) => refused(`ce-time ${time}`, binary({ time }), 'time is not an RFC 3339 timestamp')),
  ...[
    '2024-02-29T12:00:00.123456789Z',
    '2024-01-01t00:00:00z',
    '2016-12-31T23:59:60Z',
    '2024-01-01T00:00:00-11:30',
  ].map((time) => accepted(`ce-time ${time}`, binary({ time }))),

  ...['/schema', 'schema', 'not a uri', '1:a'].map((dataschema) =>
    refused(`ce-dataschema ${dataschema}`, binary({ dataschema }), 'dataschema is not a URI'),
  ),

  ...['foo_bar', 'foo-bar', 'foo.bar', '__proto__', '', '~'].map((name) =>
    refused(`an extension named "${name}"`, binary({ [name]: 'x' }), 'is no attribute name'),
  ),
  refused('an attribute named data', binary({ data: 'x' }), '"data" is no attribute name'),
  ...['constructor', 'tostring', 'valueof', 'hasownproperty', 'validate', 'then', 'tojson', 'length'].map(
    (name) => accepted(`an extension named ${name}`, binary({ [name]: 'x' })),
  ),
  accepted('an extension with a name in capitals, which HTTP does not tell apart', binary({ FooBar: 'x' })),
  accepted('an extension with a name of 200 characters', binary({ ['x'.repeat(200)]: 'x' })),
  accepted('an empty extension', binary({ empty: '' })),
  accepted(
    'fifty extensions',
    binary(Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`x${n}`, String(n)]))),
  ),

  ...[
    ['NUL', '%00'],
    ['a line feed', 'a%0Ab'],
    ['a header smuggled in by CRLF', 'a%0D%0Ace-type:%20b'],
    ['a tab', 'a%09b'],
    ['DEL', '%7F'],
    ['a C1 control', '%C2%85'],
  ].map(([what, subject]) =>
    refused(
      `ce-subject with ${what}`,
      binary({ subject: subject as string }),
      'subject has a control character',
    ),
  ),
  ...[
    ['a lone byte', '%FF'],
    ['half a character', '%C3'],
    ['an overlong form', '%C0%AF'],
    ['a surrogate', '%ED%A0%80'],
    ['beyond Unicode', '%F5%80%80%80'],
  ].map(([what, subject]) =>
    refused(
      `ce-subject, percent-encoded: ${what}`,
      binary({ subject: subject as string }),
      'not valid percent-encoded UTF-8',
    ),
  ),
  accepted('ce-subject with a percent sign that encodes nothing', binary({ subject: '100% of %zz' })),
  accepted('ce-subject in percent-encoded Unicode', binary({ subject: '%E2%9B%B5%EF%B8%8F %F0%9F%9A%80' })),
  accepted('ce-subject in latin-1 bytes', binary({ subject: 'Bod\u00f8' })),
  accepted('ce-subject quoted, with escapes', binary({ subject: '"a \\"ship\\" \\\\"' })),
  accepted('ce-subject with a quote that does not end', binary({ subject: '"a' })),
  accepted('ce-subject in right-to-left marks', binary({ subject: '%E2%80%AEabc' })),

  refused('ce-specversion twice', withHeaders(binary(), ['ce-specversion', '1.0']), 'specversion is not 1.0'),
  refused('ce-source twice', withHeaders(binary(), ['ce-source', '/b']), 'source is not a URI-reference'),
  refused(
    'ce-time twice',
    withHeaders(binary({ time: '2024-01-01T00:00:00Z' }), ['ce-time', '2024-01-01T00:00:00Z']),
    'time is not an RFC 3339 timestamp',
  ),
  // HTTP joins fields of one name by a comma, which an id may hold.
  accepted('ce-id twice', withHeaders(binary(), ['ce-id', '2'])),
];
