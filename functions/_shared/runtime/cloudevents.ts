import { KnarrError } from '../errors.ts';
import type { CloudEvent } from '../events.ts';
import { countMembers, parseJson } from '../json.ts';
import { decodeUtf8 } from './body.ts';
import { parseInstant } from './instant.ts';

/**
 * CloudEvents 1.0 over HTTP (binary and structured content mode, JSON format), read and written without SDK objects.
 * What the `cloudevents` package accepts and emits in strict mode, this accepts and emits alike, except where the
 * package departs from the specification; `cloudevents.differential.test.ts` names each such case.
 */

const STRUCTURED = 'application/cloudevents';
const BATCH = 'application/cloudevents-batch';
const EVENT_JSON = /^application\/cloudevents\+json\s*(;|$)/i;
const JSON_TYPE = /^[^;]*[/+]json\s*(;|$)/i;
const TEXT_TYPE = /^text\//i;
const ATTRIBUTE = /^[a-z0-9]+$/;

// RFC 3986 URI-reference by its parts. The quote is not RFC 3986; the package, as JSON Schema's checkers do, lets it pass.
const CHARACTER = `(?:[\\w\\-.~!$&'"()*+,;=:@/]|%[0-9A-Fa-f]{2})`;
const AUTHORITY = `//(?:[\\w\\-.~!$&'()*+,;=:@%]*\\[[0-9A-Fa-f:.]+\\](?::\\d*)?(?=[/?#]|$))?`;
const REST = `${CHARACTER}*(?:\\?(?:${CHARACTER}|\\?)*)?(?:#(?:${CHARACTER}|\\?)*)?$`;
const URI_REFERENCE = new RegExp(
  `^(?:${AUTHORITY})?${REST}|^[A-Za-z][A-Za-z0-9+.-]*:(?:${AUTHORITY})?${REST}`,
);
const ABSOLUTE = /^[A-Za-z][A-Za-z0-9+.-]*:/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
// The control characters U+0000–U+001F and U+007F–U+009F, and lone surrogates, may not stand in a String (spec, "Type System").
const FORBIDDEN = /[\p{Cc}\p{Cs}]/u;

export type EventMode = 'binary' | 'structured' | 'batch';

/** The content mode in which a request carries an event; undefined when it carries none. */
export function eventMode(headers: Headers): EventMode | undefined {
  const type = headers.get('content-type');
  if (type !== null && type.length >= STRUCTURED.length) {
    const lower = type.toLowerCase();
    if (lower.startsWith(BATCH)) return 'batch';
    if (lower.startsWith(STRUCTURED)) return 'structured';
  }
  const carriesEvent =
    headers.has('ce-id') ||
    headers.has('ce-type') ||
    headers.has('ce-specversion') ||
    headers.has('ce-source');
  return carriesEvent ? 'binary' : undefined;
}

/** Reads an event. Throws `malformed_event` (400) with the reason, or `unsupported_media_type` (415) for batches and unknown formats. */
export function readEvent(headers: Headers, body: Uint8Array): CloudEvent {
  switch (eventMode(headers)) {
    case 'binary':
      return readBinary(headers, body);
    case 'structured':
      return readStructured(headers, body);
    case 'batch':
      throw new KnarrError(
        'unsupported_media_type',
        'Batched events are not supported; send one event a request.',
      );
    default:
      throw malformed('the request carries no event');
  }
}

function readBinary(headers: Headers, body: Uint8Array): CloudEvent {
  const event: Record<string, unknown> = {};
  for (const [name, value] of headers) {
    // Assigned, it would become no member.
    if (name === 'ce-__proto__') throw malformed('"__proto__" is no attribute name');
    if (name.startsWith('ce-')) event[name.slice(3)] = decodeHeader(name, value);
  }
  if ('data' in event) throw malformed('"data" is no attribute name');
  const type = headers.get('content-type');
  if (type !== null) event.datacontenttype = type;
  checkAttributes(event);
  if (body.byteLength > 0) event.data = decodeData(type, body);
  return event as unknown as CloudEvent;
}

/** HTTP binding §3.1.3.2: double quotes first, then percent-encoding. A percent sign that encodes nothing stands for itself. */
function decodeHeader(name: string, value: string): string {
  const isQuoted = value.length > 1 && value.startsWith('"') && value.endsWith('"');
  const unquoted = isQuoted ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
  if (!unquoted.includes('%')) return unquoted;
  try {
    return unquoted.replace(/(?:%[0-9A-Fa-f]{2})+/g, decodeURIComponent);
  } catch (cause) {
    throw malformed(`${name} is not valid percent-encoded UTF-8`, cause);
  }
}

/** JSON as its value, text (and what has no type) as a string, all else as bytes. */
function decodeData(type: string | null, body: Uint8Array): unknown {
  if (type !== null && JSON_TYPE.test(type)) return asMalformed(() => parseJson(decodeUtf8(body)));
  return type === null || TEXT_TYPE.test(type) ? asMalformed(() => decodeUtf8(body)) : body;
}

function readStructured(headers: Headers, body: Uint8Array): CloudEvent {
  const type = headers.get('content-type') ?? '';
  if (!EVENT_JSON.test(type)) {
    throw new KnarrError(
      'unsupported_media_type',
      'Of the structured event formats only application/cloudevents+json is supported.',
    );
  }
  const text = asMalformed(() => decodeUtf8(body));
  const parsed = asMalformed(() => parseJson(text));
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw malformed('it is not a JSON object');
  // Of two the first may count on one hop and the last on the next.
  if (countMembers(text) > Object.keys(parsed).length) throw malformed('a member is given twice');
  const { data, data_base64: base64, ...attributes } = parsed as Record<string, unknown>;
  const event: Record<string, unknown> = {};
  // JSON event format §2.2: a null attribute is an absent one.
  for (const name of Object.keys(attributes)) if (attributes[name] !== null) event[name] = attributes[name];
  checkAttributes(event);
  if (base64 !== undefined && base64 !== null) {
    if (data !== undefined && data !== null) throw malformed('it has both data and data_base64');
    if (typeof base64 !== 'string' || !BASE64.test(base64)) throw malformed('data_base64 is not base64');
    event.data = new Uint8Array(Buffer.from(base64, 'base64'));
  } else if (data !== undefined) event.data = data;
  return event as unknown as CloudEvent;
}

/** Checks the attributes that are there; `data` is none. */
function checkAttributes(event: Record<string, unknown>): void {
  for (const name of REQUIRED) {
    if (event[name] === undefined || event[name] === null) throw malformed(`${name} is missing`);
  }
  if (event.specversion !== '1.0') throw malformed('specversion is not 1.0');
  for (const name of Object.keys(event)) {
    const value = event[name];
    if (value === undefined || value === null || name === 'data') continue;
    if (!ATTRIBUTE.test(name)) throw malformed(`"${name.slice(0, 32)}" is no attribute name`);
    checkValue(name, value);
  }
  const { source, time, dataschema } = event as Record<string, string | undefined>;
  if (!URI_REFERENCE.test(source ?? '')) throw malformed('source is not a URI-reference');
  if (dataschema !== undefined && !(ABSOLUTE.test(dataschema) && URI_REFERENCE.test(dataschema))) {
    throw malformed('dataschema is not a URI');
  }
  if (time !== undefined && parseInstant(time) === undefined)
    throw malformed('time is not an RFC 3339 timestamp');
}

const REQUIRED = ['specversion', 'id', 'source', 'type'];
const CORE_STRINGS = new Set([
  'id',
  'source',
  'type',
  'subject',
  'time',
  'datacontenttype',
  'dataschema',
  'specversion',
]);

function checkValue(name: string, value: unknown): void {
  if (typeof value === 'string') {
    if (value === '' && CORE_STRINGS.has(name)) throw malformed(`${name} is empty`);
    if (FORBIDDEN.test(value)) throw malformed(`${name} has a control character`);
    return;
  }
  if (CORE_STRINGS.has(name)) throw malformed(`${name} is not a string`);
  if (typeof value !== 'boolean' && !Number.isSafeInteger(value))
    throw malformed(`${name} is neither a string, a boolean nor an integer`);
}

function asMalformed<T>(read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    throw malformed((thrown as Error).message, thrown);
  }
}

function malformed(reason: string, cause?: unknown): KnarrError {
  return new KnarrError('malformed_event', `The event is malformed: ${reason.replace(/\.$/, '')}.`, {
    cause,
  });
}

export interface HttpMessage {
  headers: Record<string, string>;
  body: string | Uint8Array<ArrayBuffer>;
}

/** An event in binary content mode. Throws `internal` for attributes that no event may have. */
export function writeBinary(event: CloudEvent): HttpMessage {
  checkWritable(event);
  const headers: Record<string, string> = {};
  for (const name of Object.keys(event)) {
    const value = event[name];
    if (value === undefined || value === null || name === 'data') continue;
    if (name === 'datacontenttype') headers['content-type'] = value as string;
    else headers[`ce-${name}`] = encodeHeader(String(value));
  }
  const { data } = event;
  if (data instanceof Uint8Array) {
    headers['content-type'] ??= 'application/octet-stream';
    return { headers, body: new Uint8Array(data) };
  }
  headers['content-type'] ??= 'application/json; charset=utf-8';
  if (data === undefined) return { headers, body: '' };
  const isText = typeof data === 'string' && !JSON_TYPE.test(headers['content-type']);
  return { headers, body: isText ? data : JSON.stringify(data) };
}

function checkWritable(event: CloudEvent): void {
  try {
    checkAttributes(event);
  } catch (cause) {
    throw new KnarrError('internal', (cause as Error).message, { cause });
  }
}

/** An event in structured content mode, JSON format. Throws `internal` for attributes that no event may have. */
export function writeStructured(event: CloudEvent): HttpMessage {
  checkWritable(event);
  const { data, ...attributes } = event;
  const content =
    data instanceof Uint8Array ? { data_base64: Buffer.from(data).toString('base64') } : { data };
  return {
    headers: { 'content-type': 'application/cloudevents+json; charset=utf-8' },
    body: JSON.stringify({ ...attributes, ...content }),
  };
}

// HTTP binding §3.1.3.2: everything but printable ASCII is percent-encoded, and so are space, quote and percent.
const PLAIN_HEADER = /^[!#$&-~]*$/;

function encodeHeader(value: string): string {
  if (PLAIN_HEADER.test(value)) return value;
  const percent = (byte: number) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return value.replace(/[^!#$&-~]/gu, (character) => [...Buffer.from(character)].map(percent).join(''));
}
