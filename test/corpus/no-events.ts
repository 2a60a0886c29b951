import type { CorpusCase } from './case.ts';

/** A stage has a plain JSON contract beside events; a Broker and the ingress from outside have none. */
const plain = (name: string, type: string | null, body: string, stage: number, says: string): CorpusCase => ({
  name,
  request: { headers: type === null ? [] : [['content-type', type]], body },
  expect: { status: { stage, broker: 400, gateway: 400 }, says },
});

/** Requests that carry no event. */
export const NO_EVENTS: readonly CorpusCase[] = [
  plain('no event: JSON', 'application/json', '{"hello":"world"}', 400, ''),
  plain('no event: JSON that is none', 'application/json', '{', 400, ''),
  plain('no event: an event without its type', 'application/json', '{"specversion":"1.0","id":"1"}', 400, ''),
  plain('no event: text', 'text/plain', 'hello', 415, ''),
  plain('no event: a form', 'application/x-www-form-urlencoded', 'a=b', 415, ''),
  plain('no event: a form in parts', 'multipart/form-data; boundary=x', '--x--', 415, ''),
  plain('no event: bytes', 'application/octet-stream', '\u0000\u0001', 415, ''),
  plain("no event: another vendor's events", 'application/vnd.kafka.json.v2+json', '{}', 400, ''),
  plain('no event: a type that is almost right', 'application/cloudevent+json', '{}', 400, ''),
  plain('no event: no type', null, '{}', 400, ''),
  plain('no event: nothing', null, '', 400, ''),
];
