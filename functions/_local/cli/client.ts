import { createParser } from 'eventsource-parser';
import { KnarrError } from '../../_shared/errors.ts';

export interface Problem {
  status: number;
  title?: string;
  detail?: string;
  code?: string;
  state?: string;
}

/** An answer of the server that is not a success, as problem details. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail ?? problem.title ?? `The server answered ${problem.status}.`);
    this.problem = problem;
  }
}

export interface ServerEvent {
  event: string;
  data: unknown;
}

export interface ApiClient {
  readonly url: string;
  json<T>(method: string, path: string, body?: unknown): Promise<T>;
  /** Sends bytes as they are, with their media type. */
  raw<T>(method: string, path: string, body: Uint8Array, headers: Record<string, string>): Promise<T>;
  events(method: string, path: string, body?: unknown): AsyncGenerator<ServerEvent>;
}

/** HTTP client of a running Knarr. Throws {@link ApiError} for its refusals and `unavailable` when nobody answers. */
export function apiClient(url: string, token?: string): ApiClient {
  const base = url.replace(/\/+$/, '');

  async function request(
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: string | Uint8Array<ArrayBuffer>,
  ) {
    if (token) headers.authorization = `Bearer ${token}`;
    let response: Response;
    try {
      response = await fetch(base + path, { method, headers, ...(body === undefined ? {} : { body }) });
    } catch (cause) {
      throw new KnarrError('unavailable', `No Knarr answers at ${base}; start one with "knarr up".`, {
        cause,
      });
    }
    if (!response.ok) throw new ApiError(await problemOf(response));
    return response;
  }

  const jsonBody = (body: unknown) => (body === undefined ? undefined : JSON.stringify(body));
  const jsonHeaders = { 'content-type': 'application/json' };

  return {
    url: base,
    async json<T>(method: string, path: string, body?: unknown) {
      return (await (await request(method, path, { ...jsonHeaders }, jsonBody(body))).json()) as T;
    },
    async raw<T>(method: string, path: string, body: Uint8Array, headers: Record<string, string>) {
      return (await (await request(method, path, headers, body as Uint8Array<ArrayBuffer>)).json()) as T;
    },
    async *events(method: string, path: string, body?: unknown) {
      const headers = { ...jsonHeaders, accept: 'text/event-stream' };
      yield* readEvents(await request(method, path, headers, jsonBody(body)));
    },
  };
}

async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text();
  try {
    return { ...(JSON.parse(text) as Problem), status: response.status };
  } catch {
    return { status: response.status, detail: text.slice(0, 300) };
  }
}

async function* readEvents(response: Response): AsyncGenerator<ServerEvent> {
  const received: ServerEvent[] = [];
  const parser = createParser({
    onEvent: ({ event, data }) => received.push({ event: event ?? 'message', data: JSON.parse(data) }),
  });
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    parser.feed(decoder.decode(bytes, { stream: true }));
    yield* received.splice(0);
  }
}
