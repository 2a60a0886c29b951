import { createParser } from 'eventsource-parser';
import { KnarrError } from '../../_shared/errors.ts';

/** Where a server is looked for that nobody named. */
export const DEFAULT_URL = 'http://127.0.0.1:8080';

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
  /** Seconds after which the server wants to be asked again. */
  readonly retryAfter: number | undefined;
  constructor(problem: Problem, retryAfter?: number) {
    super(problem.detail ?? problem.title ?? `The server answered ${problem.status}.`);
    this.problem = problem;
    this.retryAfter = retryAfter;
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
    const response = await fetch(base + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
    }).catch((cause) => {
      throw new KnarrError('unavailable', `No Knarr answers at ${base}; start one with "knarr up".`, {
        cause,
      });
    });
    if (!response.ok) throw await refusal(response);
    return response;
  }

  async function answer<T>(response: Response): Promise<T> {
    const text = await response.text().catch((cause) => {
      throw new KnarrError('unavailable', `${base} broke off in the middle of its answer.`, { cause });
    });
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw new KnarrError('upstream_failed', `${base} does not answer as Knarr does.`, { cause });
    }
  }

  const jsonBody = (body: unknown) => (body === undefined ? undefined : JSON.stringify(body));
  const jsonHeaders = { 'content-type': 'application/json' };

  return {
    url: base,
    async json<T>(method: string, path: string, body?: unknown) {
      return answer<T>(await request(method, path, { ...jsonHeaders }, jsonBody(body)));
    },
    async raw<T>(method: string, path: string, body: Uint8Array, headers: Record<string, string>) {
      return answer<T>(await request(method, path, headers, body as Uint8Array<ArrayBuffer>));
    },
    async *events(method: string, path: string, body?: unknown) {
      const headers = { ...jsonHeaders, accept: 'text/event-stream' };
      yield* readEvents(await request(method, path, headers, jsonBody(body)));
    },
  };
}

async function refusal(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '');
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  const { status } = response;
  const seconds = Number.isFinite(retryAfter) ? retryAfter : undefined;
  try {
    return new ApiError({ ...(JSON.parse(text) as Problem), status }, seconds);
  } catch {
    return new ApiError({ status, detail: `The server answered ${status}. ${text.slice(0, 300)}` }, seconds);
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
