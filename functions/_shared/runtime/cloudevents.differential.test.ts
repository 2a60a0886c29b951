import { HTTP, CloudEvent as PackageEvent } from 'cloudevents';
import { expect, test } from 'vitest';
import { KnarrError } from '../errors.ts';
import type { CloudEvent } from '../events.ts';
import { seededRandom } from '../testing.ts';
import { readEvent, writeBinary, writeStructured } from './cloudevents.ts';

/** Ours beside the `cloudevents` package in strict mode, over generated events and messages. */

const { seed, random, pick } = seededRandom('event corpus');
const maybe = <T>(value: T): T | undefined => (random() < 0.5 ? value : undefined);

// Alphabets of what the two must agree on; what they disagree on has tests of its own below.
const WORDS = [
  'a',
  'order-1',
  'b.c',
  'x_y',
  '~',
  '0',
  "it's",
  'A+B=C',
  'key:value',
  '(1)',
  '!*',
  '100%',
  '$&',
];
const SOURCES = [
  '/a',
  'https://example.com/a?b=c#d',
  'urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66',
  '//host/p',
];
const BAD_SOURCES = ['', ' ', '/a b', 'a<b', '%zz', 'http://[::1', 'a#b#c', 'h\\i', '^', '`', '{}', '|', 'é'];
const SCHEMAS = ['https://example.com/s.json', 'urn:schema', 'mailto:someone@example.com'];
const BAD_SCHEMAS = ['/relative', 'not a uri', '', '#fragment'];
const TIMES = ['2020-02-29T12:34:56Z', '2021-12-31T23:59:59.123Z', '2019-01-02T03:04:05+01:30'];
const DATA: unknown[] = [{}, { a: [1, { b: null }] }, [], [1, 'x'], { text: 'é 漢 \u{1F600}' }, { n: 1.5 }];
const TEXTS = ['plain', 'two\nlines', 'é 漢', ' {"a":1}', '"quoted"', '1,2,3'];
const EXTENSIONS = ['tenant', 'traceparent', 'a', 'ext9', 'x0', 'partitionkey', 'dataref', 'validate1'];

type Attributes = Record<string, unknown>;
function attributes(): Attributes {
  const event: Attributes = {
    specversion: '1.0',
    id: pick(WORDS),
    source: pick(SOURCES),
    type: pick(WORDS),
    subject: maybe(pick(WORDS)),
    time: maybe(pick(TIMES)),
    dataschema: maybe(pick(SCHEMAS)),
  };
  for (let n = random() * 4; n > 1; n--) event[pick(EXTENSIONS)] = pick([...WORDS, '']);
  return Object.fromEntries(Object.entries(event).filter(([, value]) => value !== undefined));
}

/** Breaks one thing that both must refuse. */
function broken(event: Attributes): Attributes {
  return pick([
    () => ({ ...event, id: '' }),
    () => ({ ...event, source: pick(BAD_SOURCES) }),
    () => ({ ...event, type: '' }),
    () => ({ ...event, dataschema: pick(BAD_SCHEMAS.filter(Boolean)) }),
    () => ({ ...event, foo_bar: 'x' }),
    () => ({ ...event, 'foo-bar': 'x' }),
    () => ({ ...event, source: undefined }),
  ])();
}

interface Message {
  headers: Record<string, string>;
  body: string;
}
function binaryMessage(event: Attributes): Message {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(event)) {
    if (value !== undefined && name !== 'datacontenttype') headers[`ce-${name}`] = String(value);
  }
  const type = event.datacontenttype as string | undefined;
  const isJson = type?.startsWith('application/json');
  const body = isJson ? JSON.stringify(pick(DATA)) : pick(TEXTS);
  return { headers: type === undefined ? headers : { ...headers, 'content-type': type }, body };
}
function structuredMessage(event: Attributes): Message {
  const data = pick([...DATA, ...TEXTS]);
  const contentType = pick(['application/cloudevents+json', 'application/cloudevents+json; charset=utf-8']);
  return { headers: { 'content-type': contentType }, body: JSON.stringify({ ...event, data }) };
}

const ours = ({ headers, body }: Message) => readEvent(new Headers(headers), Buffer.from(body));
/** The package as its users call it: parse, then validate as strictly as its constructor does. */
const theirs = (message: Message) => {
  const event = HTTP.toEvent(message) as PackageEvent<unknown>;
  return new PackageEvent({ ...event, data_base64: undefined });
};

function outcome<T>(read: () => T): { event?: T; refused?: true } {
  try {
    return { event: read() };
  } catch {
    return { refused: true };
  }
}

/** Both as plain objects: the package adds the time of reading when there is none, and rewrites the one there is. */
function comparable(event: object, time: unknown): Record<string, unknown> {
  const given = Object.entries(event).filter(([, value]) => value !== undefined && value !== null);
  const plain = Object.fromEntries(given);
  delete plain.time;
  return time === undefined ? plain : { ...plain, time: Date.parse(String((event as CloudEvent).time)) };
}

function compare(message: Message, time: unknown) {
  const [mine, reference] = [outcome(() => ours(message)), outcome(() => theirs(message))];
  expect({ refused: mine.refused, message }, `seed ${seed}`).toEqual({ refused: reference.refused, message });
  if (!mine.event || !reference.event) return false;
  expect(comparable(mine.event, time), `seed ${seed}`).toEqual(comparable(reference.event, time));
  return true;
}

const MEDIA_TYPES = [
  undefined,
  'application/json',
  'application/json; charset=utf-8',
  'text/plain',
  'text/csv',
];

test('binary mode: the same messages are accepted with the same content', () => {
  let accepted = 0;
  for (let i = 0; i < 3000; i++) {
    const event: Attributes = { ...attributes(), datacontenttype: pick(MEDIA_TYPES) };
    accepted += Number(compare(binaryMessage(random() < 0.2 ? broken(event) : event), event.time));
  }
  expect(accepted).toBeGreaterThan(1500);
  expect(accepted).toBeLessThan(2900);
});

test('structured mode: the same messages are accepted with the same content', () => {
  let accepted = 0;
  for (let i = 0; i < 3000; i++) {
    const datacontenttype = maybe(pick(['application/json', 'text/plain']));
    const event: Attributes = { ...attributes(), datacontenttype };
    if (random() < 0.3) Object.assign(event, { flag: random() < 0.5, count: Math.floor(random() * 1e12) });
    // The package makes up an id where there is none.
    const sent = random() < 0.2 ? { ...broken(event), id: event.id } : event;
    accepted += Number(compare(structuredMessage(sent), event.time));
  }
  expect(accepted).toBeGreaterThan(1500);
  expect(accepted).toBeLessThan(2950);
});

test('what is emitted is the same message', () => {
  for (let i = 0; i < 2000; i++) {
    const bytes = Uint8Array.from({ length: 5 }, () => Math.floor(random() * 256));
    const [datacontenttype, data] = pick<[string | undefined, unknown]>([
      [undefined, pick(DATA)],
      ['application/json', pick(DATA)],
      ['application/json', undefined],
      ['text/plain', pick(TEXTS)],
      ['application/octet-stream', bytes],
    ]);
    // A percent sign must be encoded (HTTP binding §3.1.3.2), which the package does not do.
    const plain = Object.fromEntries(Object.entries(attributes()).filter(([, value]) => value !== '100%'));
    const given = { id: '1', type: 't', ...plain, datacontenttype, data } as unknown as CloudEvent;
    const event = { ...given, time: '2020-02-29T12:34:56.000Z' };
    const reference = new PackageEvent(event as never);

    const [mine, theirBinary] = [writeBinary(event), HTTP.binary(reference)];
    expect(mine.headers, `seed ${seed}`).toEqual(theirBinary.headers);
    expect(Buffer.from(mine.body)).toEqual(Buffer.from((theirBinary.body as string | undefined) ?? ''));

    const [structured, theirStructured] = [writeStructured(event), HTTP.structured(reference)];
    expect(structured.headers).toEqual(theirStructured.headers);
    expect(JSON.parse(structured.body as string)).toEqual(JSON.parse(theirStructured.body as string));
  }
});

const BASE = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 't' };
const binary = (more: Record<string, string>, body = ''): Message => ({
  headers: { ...BASE, ...more },
  body,
});
const structured = (more: object): Message => ({
  headers: { 'content-type': 'application/cloudevents+json' },
  body: JSON.stringify({ specversion: '1.0', id: '1', source: '/s', type: 't', ...more }),
});
const without = (name: string, message: Message): Message => {
  const { [name]: _, ...headers } = message.headers;
  return { ...message, headers };
};
const reason = (message: Message) => {
  try {
    return ours(message);
  } catch (thrown) {
    return (thrown as KnarrError).message;
  }
};

test.each([
  ['an invalid time becomes now', binary({ 'ce-time': 'yesterday' }), 'time'],
  ['an impossible day becomes another', binary({ 'ce-time': '2021-02-30T00:00:00Z' }), 'time'],
  ['an invalid time becomes now', structured({ time: '2020-13-01T00:00:00Z' }), 'time'],
  ['a missing type is accepted by HTTP.toEvent', without('ce-type', binary({})), 'type is missing'],
  ['a missing specversion is filled in', without('ce-specversion', binary({})), 'specversion is missing'],
  ['a missing id is made up', structured({ id: undefined }), 'id is missing'],
  ['any specversion passes', binary({ 'ce-specversion': '9.0' }), 'specversion is not 1.0'],
  ['any specversion passes', structured({ specversion: 1 }), 'specversion is not 1.0'],
  ['CR and LF validate, then cannot be sent', structured({ subject: 'a\r\nb' }), 'control character'],
  ['an empty subject is dropped', structured({ subject: '' }), 'subject is empty'],
  ['an extension may be an object', structured({ ext: { a: 1 } }), 'ext is neither'],
  ['data may be given twice', structured({ data: 1, data_base64: 'AA==' }), 'both data and data_base64'],
  ['text passes as JSON', binary({ 'content-type': 'application/json' }, 'hello'), 'not valid JSON'],
])('defect of the package: %s; ours refuses it with a reason', (_, message, why) => {
  expect(reason(message)).toEqual(expect.stringContaining(why));
  const permissive = outcome(() => HTTP.toEvent(message));
  expect(permissive.refused, 'the package has been mended: drop this case').toBeUndefined();
});

test('defect of the package: an extension called like a method breaks it; ours reads it', () => {
  const message = binary({ 'ce-validate': 'x', 'ce-emit': 'y' });
  expect(ours(message)).toMatchObject({ validate: 'x', emit: 'y' });
  expect(() => (HTTP.toEvent(message) as PackageEvent<unknown>).validate()).toThrow(TypeError);
});

test('defect of the package: binary data takes four times its size; ours takes its size', () => {
  const bytes = Buffer.from('bytes, not words');
  const message = structured({ data_base64: bytes.toString('base64'), datacontenttype: 'image/png' });
  expect(ours(message).data).toEqual(new Uint8Array(bytes));
  const { data } = HTTP.toEvent(message) as PackageEvent<Uint32Array>;
  expect(data?.byteLength).toBe(4 * bytes.byteLength);
});

test('defect of the package: what is not ASCII cannot be sent; ours is percent-encoded and read back', () => {
  const event: CloudEvent = { specversion: '1.0', id: '1', source: '/s', type: 't', subject: 'é "漢" 100%' };
  const { headers } = HTTP.binary(new PackageEvent(event));
  expect(() => new Headers(headers as Record<string, string>)).toThrow(TypeError);
  const mine = writeBinary(event);
  expect(mine.headers['ce-subject']).toBe('%C3%A9%20%22%E6%BC%A2%22%20100%25');
  expect(readEvent(new Headers(mine.headers), new Uint8Array()).subject).toBe(event.subject);
});

test('defect of the package: falsy data is lost; ours keeps it, in both modes', () => {
  for (const data of [0, false, '']) {
    const event: CloudEvent = { specversion: '1.0', id: '1', source: '/s', type: 't', data };
    for (const { headers, body } of [writeBinary(event), writeStructured(event)]) {
      expect(readEvent(new Headers(headers), Buffer.from(body)).data).toBe(data);
    }
    expect((HTTP.toEvent(structured({ data })) as PackageEvent<unknown>).data).toBeUndefined();
  }
});

test('double-quoted header values are read as older producers meant them', () => {
  expect(ours(binary({ 'ce-subject': '"a \\"b\\" c"' })).subject).toBe('a "b" c');
});

test.each(['a\nb', 'a\u0000', '\ud800'])(
  'an attribute that no event may have is not emitted: %j',
  (subject) => {
    const event: CloudEvent = { specversion: '1.0', id: '1', source: '/s', type: 't', subject };
    expect(() => writeBinary(event)).toThrow(KnarrError);
    expect(() => writeStructured(event)).toThrow(KnarrError);
  },
);
