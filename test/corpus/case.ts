/** Where a request of the corpus is sent. */
export type Target = 'stage' | 'broker' | 'gateway';

export interface CorpusRequest {
  /** POST unless given. */
  method?: string;
  /** Instead of the target's own path. */
  path?: string;
  /** In this order; a name may come twice. Values are latin-1. */
  headers?: readonly (readonly [string, string])[];
  /** Text is UTF-8. */
  body?: string | Uint8Array;
  /** How the body's end is told: by `content-length` (the default), in chunks, or not at all. */
  framing?: 'length' | 'chunked' | 'none';
  /** The whole request as it goes over the wire, latin-1, instead of all of the above; `{path}` and `{host}` are the target's. */
  raw?: string;
  /** The sender's side of the connection ends behind the request, which otherwise stays open. */
  ends?: boolean;
}

export interface Expectation {
  status: number | Readonly<Record<Target, number>>;
  /** Part of the `detail` of the problem details, where the answer is a refusal. Absent: Node's HTTP server refuses it without a word. */
  says?: string;
}

export interface CorpusCase {
  name: string;
  request: CorpusRequest;
  expect: Expectation;
}

/** A stage that consumes the event and says nothing, the ingress of a Broker, and `POST /v1/events`. */
export const ACCEPTED = { stage: 204, broker: 202, gateway: 202 } as const;
/** A well-formed event whose data is not what its type promises: a Broker does not look at data. */
export const UNFIT = { stage: 422, broker: 202, gateway: 400 } as const;
/** An event format or a content encoding that is not supported: a Broker's ingress knows one answer for what is no event. */
export const UNSUPPORTED = { stage: 415, broker: 400, gateway: 415 } as const;
/** More than 64 KiB, less than a Broker takes: from outside that is too much. */
export const OVER_64_KIB = { stage: 204, broker: 202, gateway: 413 } as const;

export const TYPE = 'dev.knarr.document.submitted.v1';
export const DATA = { document: 'corpus', text: 'A knarr is a ship.' };

const ATTRIBUTES = { specversion: '1.0', id: '1', source: '/corpus', type: TYPE };
type Attributes = Record<string, string | undefined>;

/** An event in binary mode: the valid one with these attributes changed (`undefined`: left out). */
export function binary(
  changes: Attributes = {},
  { type = 'application/json', body = JSON.stringify(DATA), ...more }: BinaryOptions = {},
): CorpusRequest {
  const attributes = Object.entries({ ...ATTRIBUTES, ...changes });
  const headers = attributes.flatMap(([name, value]) =>
    value === undefined ? [] : [[`ce-${name}`, value] as const],
  );
  return {
    headers: [...headers, ...(type === null ? [] : [['content-type', type] as const])],
    body,
    ...more,
  };
}
interface BinaryOptions {
  /** Content type; null for none. */
  type?: string | null;
  body?: string | Uint8Array;
  framing?: CorpusRequest['framing'];
}

export const STRUCTURED = 'application/cloudevents+json';

/** An event in structured mode: the valid one with these members changed (`undefined`: left out), or a body of any kind. */
export function structured(
  changes: Record<string, unknown> | string | Uint8Array = {},
  type = STRUCTURED,
): CorpusRequest {
  const isBody = typeof changes === 'string' || changes instanceof Uint8Array;
  const body = isBody
    ? changes
    : JSON.stringify({ ...ATTRIBUTES, datacontenttype: 'application/json', data: DATA, ...changes });
  return { headers: [['content-type', type]], body };
}

/** A request with further headers. */
export const withHeaders = (request: CorpusRequest, ...headers: [string, string][]): CorpusRequest => ({
  ...request,
  headers: [...(request.headers ?? []), ...headers],
});

export const refused = (name: string, request: CorpusRequest, says: string): CorpusCase => ({
  name,
  request,
  expect: { status: 400, says },
});
export const accepted = (name: string, request: CorpusRequest): CorpusCase => ({
  name,
  request,
  expect: { status: ACCEPTED },
});
export const unfit = (name: string, request: CorpusRequest, says: string): CorpusCase => ({
  name,
  request,
  expect: { status: UNFIT, says },
});
