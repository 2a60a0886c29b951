import {
  accepted,
  type CorpusCase,
  DATA,
  refused,
  STRUCTURED,
  structured,
  TYPE,
  UNSUPPORTED,
  withHeaders,
} from './case.ts';

const REQUIRED = ['specversion', 'id', 'source', 'type'];
const OPTIONAL = ['subject', 'time', 'datacontenttype', 'dataschema'];
const EVENT = JSON.stringify({ specversion: '1.0', id: '1', source: '/corpus', type: TYPE, data: DATA });
/** The valid event with something written into it as it is. */
const written = (member: string) => structured(EVENT.replace('{', `{${member},`));
const bytes = (text: string, encoding: BufferEncoding) => new Uint8Array(Buffer.from(text, encoding));

const unsupported = (name: string, type: string, says: string, body = EVENT): CorpusCase => ({
  name,
  request: structured(body, type),
  expect: { status: UNSUPPORTED, says },
});

/** Events as JSON: CloudEvents 1.0, JSON event format. */
export const STRUCTURED_MODE: readonly CorpusCase[] = [
  ...REQUIRED.map((name) => refused(`no ${name}`, structured({ [name]: undefined }), `${name} is missing`)),
  ...REQUIRED.map((name) => refused(`${name}: null`, structured({ [name]: null }), `${name} is missing`)),
  ...REQUIRED.filter((name) => name !== 'specversion').map((name) =>
    refused(`${name}: ""`, structured({ [name]: '' }), `${name} is empty`),
  ),
  ...REQUIRED.filter((name) => name !== 'specversion').flatMap((name) =>
    [7, true, {}, ['a']].map((value) =>
      refused(`${name}: ${JSON.stringify(value)}`, structured({ [name]: value }), `${name} is not a string`),
    ),
  ),
  ...[1, 1.1, '1', '0.3', '9.0', ['1.0'], {}].map((specversion) =>
    refused(
      `specversion: ${JSON.stringify(specversion)}`,
      structured({ specversion }),
      'specversion is not 1.0',
    ),
  ),
  ...OPTIONAL.map((name) => refused(`${name}: ""`, structured({ [name]: '' }), `${name} is empty`)),
  ...OPTIONAL.map((name) => refused(`${name}: 1`, structured({ [name]: 1 }), `${name} is not a string`)),
  ...OPTIONAL.map((name) => accepted(`${name}: null`, structured({ [name]: null }))),
  refused('a time that is none', structured({ time: 'noon' }), 'time is not an RFC 3339 timestamp'),
  refused('a source that is none', structured({ source: 'a b' }), 'source is not a URI-reference'),
  refused('a schema that is no URI', structured({ dataschema: 'a' }), 'dataschema is not a URI'),

  ...[{ a: 1 }, ['a'], 1.5, 2 ** 53, -(2 ** 53), 1e300].map((value) =>
    refused(
      `a member: ${JSON.stringify(value)}`,
      structured({ ext: value }),
      'ext is neither a string, a boolean nor an integer',
    ),
  ),
  refused('a member: 1e999', written('"ext":1e999'), 'ext is neither a string, a boolean nor an integer'),
  ...[true, 0, -5, 2 ** 53 - 1, '', null].map((value) =>
    accepted(`a member: ${JSON.stringify(value)}`, structured({ ext: value })),
  ),
  ...['Foo', 'foo-bar', 'foo_bar', 'foo bar', '', 'f\u00f6\u00f6', '\u0000', '\ud83d\ude80'].map((name) =>
    refused(`a member named ${JSON.stringify(name)}`, structured({ [name]: 'x' }), 'is no attribute name'),
  ),
  ...['\u0000', '\n', '\r\nce-type: x', '\t', '\u001b[2J', '\u007f', '\u0085'].map((subject) =>
    refused(
      `subject: ${JSON.stringify(subject)}`,
      structured({ subject }),
      'subject has a control character',
    ),
  ),
  refused(
    'subject: half a surrogate pair',
    written('"subject":"\\ud83d"'),
    'subject has a control character',
  ),
  accepted(
    'subject outside ASCII',
    structured({ subject: '\u26f5 \ud83d\ude80 \u202e \u0645\u0631\u0643\u0628' }),
  ),
  accepted('a subject of 30,000 characters', structured({ subject: 'x'.repeat(30_000) })),
  accepted('a source of 30,000 characters', structured({ source: `/${'a/'.repeat(15_000)}` })),

  ...['"1"', '[]', '42', 'null', 'true', '[{}]'].map((body) =>
    refused(`the body ${body}`, structured(body), 'it is not a JSON object'),
  ),
  refused('the body {}', structured('{}'), 'specversion is missing'),
  ...[
    ['no body', ''],
    ['white space', ' \n '],
    ['a body cut short', EVENT.slice(0, -1)],
    ['something behind the event', `${EVENT}x`],
    ['two events', EVENT + EVENT],
    ['a trailing comma', EVENT.replace('}', ',}')],
    ['single quotes', EVENT.replaceAll('"', "'")],
    ['a comment', `${EVENT}// later`],
    ['NaN', EVENT.replace('{', '{"ext":NaN,')],
    ['a line feed inside a string', EVENT.replace('"1"', '"1\n"')],
    ['XML', '<event/>'],
  ].map(([name, body]) => refused(name as string, structured(body as string), 'not valid JSON')),
  refused('UTF-16', structured(bytes(`\ufeff${EVENT}`, 'utf16le')), 'not valid UTF-8'),
  refused('latin-1', structured(bytes(EVENT.replace('"1"', '"\u00e9"'), 'latin1')), 'not valid UTF-8'),
  refused(
    'an overlong NUL',
    structured(bytes(EVENT.replace('"1"', '"\u00c0\u0080"'), 'latin1')),
    'not valid UTF-8',
  ),
  accepted('a byte order mark', structured(`\ufeff${EVENT}`)),
  accepted('white space around', structured(` \r\n${EVENT}\n`)),

  ...['"id":"2"', '"\\u0069d":"2"', '"type":"x"', '"data":{}', '"ext":1,"ext":1'].map((member) =>
    refused(`a member twice: ${member}`, written(member), 'a member is given twice'),
  ),
  ...[
    '"__proto__":{}',
    '"__proto__":{"id":"2"}',
    '"\\u005f_proto__":1',
    '"constructor":{"prototype":{}}',
  ].map((member) => refused(`the member ${member}`, written(member), '__proto__')),
  refused('__proto__ deep inside', written('"d":[{"a":{"__proto__":1}}]'), '__proto__'),
  ...['constructor', 'tostring', 'hasownproperty', 'then'].map((name) =>
    accepted(`a member named ${name}`, structured({ [name]: 'x' })),
  ),
  refused(
    '65 levels of JSON',
    structured(EVENT.replace('{', `{"d":${'['.repeat(64)}${']'.repeat(64)},`)),
    'nested deeper',
  ),
  refused('30,000 levels of JSON', structured('['.repeat(30_000) + ']'.repeat(30_000)), 'nested deeper'),
  refused('30,000 levels that never end', structured(`{"data":${'{"a":'.repeat(6000)}`), 'nested deeper'),

  refused('data and data_base64', structured({ data_base64: 'YQ==' }), 'it has both data and data_base64'),
  ...['%%%', 'a b', 'YQ===', '_-_-', 'YQ==YQ==', 7, {}, ['YQ==']].map((value) =>
    refused(
      `data_base64: ${JSON.stringify(value)}`,
      structured({ data: undefined, data_base64: value }),
      'data_base64 is not base64',
    ),
  ),

  unsupported(
    'a structured event of no format',
    'application/cloudevents',
    'only application/cloudevents+json',
  ),
  unsupported(
    'XML by its type',
    'application/cloudevents+xml',
    'only application/cloudevents+json',
    '<event/>',
  ),
  unsupported('Avro by its type', 'application/cloudevents+avro', 'only application/cloudevents+json'),
  unsupported(
    'Protobuf by its type',
    'application/cloudevents+protobuf',
    'only application/cloudevents+json',
  ),
  unsupported(
    'a type that only begins alike',
    'application/cloudevents+jsonp',
    'only application/cloudevents+json',
  ),
  unsupported('a batch of none', 'application/cloudevents-batch+json', 'Batched events', '[]'),
  unsupported('a batch of one', 'application/cloudevents-batch+json', 'Batched events', `[${EVENT}]`),
  unsupported('a batch that is none', 'application/cloudevents-batch+json', 'Batched events'),
  unsupported('a batch in XML', 'application/cloudevents-batch+xml', 'Batched events', '<batch/>'),
  accepted('the type in capitals', structured(EVENT, 'APPLICATION/CLOUDEVENTS+JSON')),
  accepted('the type with a charset', structured(EVENT, `${STRUCTURED}; charset=UTF-8`)),
  accepted(
    'a structured event beside headers of another',
    withHeaders(structured(), ['ce-id', '2'], ['ce-source', 'a b']),
  ),
];
