import { Hono } from 'hono';
import { KnarrError } from '../errors.ts';
import type { CloudEvent } from '../events.ts';
import { parseJson } from '../json.ts';
import type { Logger } from '../stage.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { decodeUtf8, readBody } from './body.ts';
import { eventMode, readEvent, writeBinary } from './cloudevents.ts';
import { notAllowed, WEB_HOOK } from './http.ts';
import { problemOf, problemResponse } from './problem.ts';

/** What a hosted function gets: func's Node contract (faas-js-runtime's `Context`), and every query parameter as a member of its own. */
export interface HostContext {
  body: unknown;
  rawBody: string;
  query: Record<string, string>;
  headers: Record<string, string>;
  method: string;
  httpVersion: string;
  contentType: string | undefined;
  log: Logger;
  cloudevent?: CloudEvent;
  /** `cloudEventResponse(data).id(…).source(…).type(…).version(…).response()`. */
  cloudEventResponse(data: unknown): EventBuilder;
  [queryParameter: string]: unknown;
}
type Handle = (context: HostContext, input: unknown) => unknown;
type HealthCheck = ((request: Request) => unknown) & { path?: string };

/** An ordinary func module; `handle` gets the event when it is called with one, else the body. */
export interface HostedModule {
  handle: Handle;
  init?(): unknown;
  shutdown?(): unknown;
  liveness?: HealthCheck;
  readiness?: HealthCheck;
  /** Origins that browsers may call from; without it, all. */
  cors?(): string[];
}

export interface HostedFunction {
  fetch(request: Request): Promise<Response>;
  drain(): void;
  close(): Promise<void>;
}

export interface HostOptions {
  log: Logger;
  /** Largest body, bytes, after decompression. Default 1 MiB, as `FUNC_BODY_LIMIT`. */
  maxBodyBytes?: number;
}

/** Runs an ordinary func module, initialised, as something that `serve` can serve. */
export async function hostFunction(
  func: HostedModule | Handle,
  { log, maxBodyBytes = 1024 * 1024 }: HostOptions,
): Promise<HostedFunction> {
  const module: HostedModule = typeof func === 'function' ? { handle: func } : func;
  if (typeof module.handle !== 'function')
    throw new TypeError('A function must export "handle" or be a function.');
  await module.init?.();
  const metrics = createMetrics();
  let draining = false;

  async function invoke(request: Request): Promise<Response> {
    const started = performance.now();
    const isEvent = eventMode(request.headers) !== undefined;
    let outcome = 'ok';
    try {
      const context = await contextOf(request, maxBodyBytes, log);
      const answer = await module.handle(context, context.cloudevent ?? context.body);
      return toResponse(answer, corsHeaders(request, module));
    } catch (thrown) {
      const error = KnarrError.from(thrown);
      outcome = error.code;
      if (error.code === 'internal') log.error({ err: thrown }, 'the function failed');
      const answer = ownAnswer(thrown) ?? problemResponse(error, isEvent ? 'event' : 'request');
      for (const [name, value] of Object.entries(corsHeaders(request, module)))
        answer.headers.set(name, value);
      return answer;
    } finally {
      metrics.observeStage(
        'function',
        isEvent ? 'event' : 'call',
        outcome,
        (performance.now() - started) / 1000,
      );
    }
  }

  const health = (check: HealthCheck | undefined) => async (request: Request) => {
    try {
      const answer = check ? await check(request) : undefined;
      return answer === undefined ? new Response('OK') : toResponse(answer);
    } catch (thrown) {
      return problemResponse(new KnarrError('unavailable', messageOf(thrown), { cause: thrown }));
    }
  };
  const app = new Hono();
  app.onError((error) => problemResponse(error));
  app.notFound(() => problemResponse(new KnarrError('not_found', 'There is nothing at this path.')));
  const [live, ready] = [health(module.liveness), health(module.readiness)];
  app.get(module.liveness?.path ?? '/health/liveness', (c) => live(c.req.raw));
  app.get(module.readiness?.path ?? '/health/readiness', (c) =>
    draining
      ? problemResponse(new KnarrError('unavailable', 'The function is shutting down.'))
      : ready(c.req.raw),
  );
  app.get('/metrics', async (c) => c.text(await metrics.text()));
  app.use(async (_, next) => {
    if (draining) throw new KnarrError('unavailable', 'The function is shutting down.');
    await next();
  });
  app.options('/', (c) => {
    const headers = { ...WEB_HOOK, ...corsHeaders(c.req.raw, module), 'access-control-allow-headers': '*' };
    return new Response(null, { status: 204, headers });
  });
  app.on(['GET', 'POST'], '/', (c) => invoke(c.req.raw));
  app.all('/', (c) => notAllowed(c.req.method, 'GET, POST, OPTIONS'));

  return {
    fetch: async (request) => app.fetch(request),
    drain() {
      draining = true;
    },
    async close() {
      draining = true;
      await module.shutdown?.();
      await metrics.close();
    },
  };
}

async function contextOf(request: Request, limit: number, log: Logger): Promise<HostContext> {
  const bytes = await readBody(request, limit);
  const contentType = request.headers.get('content-type') ?? undefined;
  const cloudevent = eventMode(request.headers) === undefined ? undefined : readEvent(request.headers, bytes);
  let headers: Record<string, string> | undefined;
  const at = request.url.indexOf('?');
  const query = at === -1 ? {} : Object.fromEntries(new URLSearchParams(request.url.slice(at)));
  const context: HostContext = {
    // Parameters never hide what the contract names.
    ...query,
    body: cloudevent ? cloudevent.data : bodyOf(bytes, contentType),
    get rawBody() {
      return Buffer.from(bytes).toString();
    },
    query,
    get headers() {
      headers ??= Object.fromEntries(request.headers);
      return headers;
    },
    method: request.method,
    httpVersion: '1.1',
    contentType,
    log,
    cloudEventResponse: (data) => new EventBuilder(data),
  };
  if (cloudevent) context.cloudevent = cloudevent;
  return context;
}

function bodyOf(bytes: Uint8Array, contentType = ''): unknown {
  if (bytes.byteLength === 0) return undefined;
  if (/^application\/json\b/i.test(contentType)) return parseJson(decodeUtf8(bytes));
  if (/^application\/x-www-form-urlencoded\b/i.test(contentType))
    return Object.fromEntries(new URLSearchParams(decodeUtf8(bytes)));
  return /^text\//i.test(contentType) ? decodeUtf8(bytes) : Buffer.from(bytes);
}

/**
 * A CloudEvent → binary mode; nothing → 204; a string → text; `{statusCode, headers, body}`; any other object → JSON.
 * `more` headers are added unless the answer has them itself.
 */
function toResponse(answer: unknown, more: Record<string, string> = {}): Response {
  if (!answer) return new Response(null, { status: 204, headers: more });
  if (isEvent(answer)) {
    const { headers, body } = writeBinary({ ...answer });
    return new Response(body, { headers: { ...more, ...headers } });
  }
  if (typeof answer !== 'object')
    return new Response(String(answer), { headers: { ...more, 'content-type': TEXT } });
  const { statusCode, headers, body } = answer as { statusCode?: number; headers?: object; body?: unknown };
  const sent = { ...more };
  for (const [name, value] of Object.entries(headers ?? {})) sent[name.toLowerCase()] = String(value);
  const status = statusCode ?? 200;
  const payload = body === undefined ? answer : body;
  if (payload === '' || status === 204 || status === 304)
    return new Response(null, { status, headers: sent });
  const isRaw = typeof payload === 'string' || payload instanceof Uint8Array;
  sent['content-type'] ??= isRaw ? TEXT : 'application/json; charset=utf-8';
  return new Response(isRaw ? (payload as string) : JSON.stringify(payload), { status, headers: sent });
}

const TEXT = 'text/plain; charset=utf-8';

/** Ours, or one of the `cloudevents` package. */
function isEvent(answer: unknown): answer is CloudEvent {
  const { specversion, id, source, type } = answer as Partial<CloudEvent>;
  return specversion === '1.0' && [id, source, type].every((one) => typeof one === 'string');
}

function corsHeaders(request: Request, { cors }: HostedModule): Record<string, string> {
  const origin = request.headers.get('origin');
  const allowed = cors === undefined ? '*' : cors().find((one) => one === origin);
  return {
    ...(allowed !== undefined && { 'access-control-allow-origin': allowed }),
    'access-control-allow-methods': 'OPTIONS, GET, POST',
  };
}

/** A function chooses the status of its failure with `statusCode`; `code` belongs to Node's own errors. */
function ownAnswer(thrown: unknown): Response | undefined {
  const status = (thrown as { statusCode?: unknown } | null)?.statusCode;
  if (!Number.isInteger(status) || (status as number) < 400 || (status as number) > 599) return undefined;
  const problem = problemOf(new KnarrError('internal', messageOf(thrown)), status as number);
  const { code: _, title: __, ...rest } = problem;
  return new Response(JSON.stringify(rest), {
    status: status as number,
    headers: { 'content-type': 'application/problem+json' },
  });
}

const messageOf = (thrown: unknown) => (thrown instanceof Error ? thrown.message : String(thrown));

class EventBuilder {
  readonly #event: Partial<CloudEvent>;
  constructor(data: unknown) {
    this.#event = { data };
  }
  id(id: string) {
    this.#event.id = id;
    return this;
  }
  source(source: string) {
    this.#event.source = source;
    return this;
  }
  type(type: string) {
    this.#event.type = type;
    return this;
  }
  version(version: '1.0') {
    this.#event.specversion = version;
    return this;
  }
  response(): CloudEvent {
    return {
      specversion: '1.0',
      id: crypto.randomUUID(),
      source: '',
      type: '',
      time: new Date().toISOString(),
      ...this.#event,
    };
  }
}
