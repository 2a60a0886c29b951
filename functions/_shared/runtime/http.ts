import { Hono } from 'hono';
import packageJson from '../../../package.json' with { type: 'json' };
import { KnarrError } from '../errors.ts';
import { type CloudEvent, type EventName, eventType, isDeadLetter } from '../events.ts';
import { parseJson } from '../json.ts';
import type { Caller, Stage } from '../stage.ts';
import { checkEvent, signEvent } from '../stage-key.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { decodeUtf8, readBody } from './body.ts';
import { outsideCall, readCall } from './call.ts';
import { eventMode, readEvent, writeBinary } from './cloudevents.ts';
import { isRetried, toDeadLetter } from './delivery.ts';
import { problemResponse } from './problem.ts';
import type { RunningStage, RunOptions } from './run.ts';
import { progressStream, wantsStream } from './stream.ts';

const DEFAULT_MAX_BODY = 1024 * 1024;
const JSON_TYPE = /^application\/([\w.-]+\+)?json\s*(;|$)/i;

/** Answers the validation request of CloudEvents' web hooks, as Knative's ingress does. */
export const WEB_HOOK = {
  allow: 'POST, OPTIONS',
  'webhook-allowed-origin': '*',
  'webhook-allowed-rate': '*',
};

export interface AppOptions extends RunOptions {
  metrics: Metrics;
  isDraining(): boolean;
}

/** Answers a request; `inside`: it comes from a stage in the same process, and nobody needs to prove who they are. */
export type Answering = (request: Request, inside: boolean) => Promise<Response>;

/** The HTTP face of a running stage: work at `POST /`, health, metrics, and the stage's own routes. */
export function createApp<Deps, In, Out>(
  stage: Stage<Deps, In, Out>,
  deps: Deps,
  running: RunningStage<In, Out>,
  { log, publisher, deadLetters, metrics, config, key, isDraining, ...options }: AppOptions,
): Answering {
  const maxBody = options.maxBodyBytes ?? stage.maxBodyBytes ?? DEFAULT_MAX_BODY;

  /** `caller`: who asks from outside, at the edge; else a stage does. */
  async function answerJson(
    request: Request,
    caller: Caller | undefined,
    inside: boolean,
  ): Promise<Response> {
    const call = caller ? outsideCall(request, caller) : readCall(request, inside ? undefined : key);
    const type = request.headers.get('content-type');
    if (type !== null && !JSON_TYPE.test(type)) {
      throw new KnarrError('unsupported_media_type', 'Send JSON (application/json) or a CloudEvent.');
    }
    const input = parseJson(decodeUtf8(await readBody(request, maxBody))) as In;
    if (wantsStream(request)) {
      return progressStream(call.signal, (onProgress, signal) =>
        running.call(input, { ...call, signal, onProgress }),
      );
    }
    const started = performance.now();
    const output = JSON.stringify(await running.call(input, call));
    const spent = (performance.now() - started).toFixed(2);
    return new Response(output, {
      headers: { 'content-type': 'application/json', 'server-timing': `${stage.name};dur=${spent}` },
    });
  }

  /**
   * One event is the reply, except to a dead letter: a Broker discards that one. Several go to the Broker before the
   * answer, so that a failure is retried as a whole.
   */
  async function answerEvent(request: Request, inside: boolean): Promise<Response> {
    const event = await eventOf(request, maxBody);
    if (!inside) checkEvent(key, event);
    const produced = await running
      .receive(event, () => request.signal)
      .catch(async (thrown: unknown) => {
        const refusal = problemResponse(thrown, 'event');
        if (!deadLetters || isDeadLetter(event) || isRetried(refusal.status)) throw thrown;
        // As the Broker would; not taken, the event comes again.
        const body = new Uint8Array(await refusal.arrayBuffer());
        const letter = toDeadLetter(event, new URL('/', request.url).href, { status: refusal.status, body });
        await deadLetters.publish([letter], request.signal);
        return [];
      });
    const [only] = produced;
    if (only === undefined) return new Response(null, { status: 204 });
    if (produced.length === 1 && !(publisher && isDeadLetter(event))) {
      const { headers, body } = writeBinary(inside ? only : signEvent(key, only));
      return new Response(body, { status: 200, headers });
    }
    if (!publisher)
      throw new KnarrError('internal', `${stage.name} emits several events, which needs K_SINK.`);
    await publisher.publish(produced, request.signal).catch((thrown: unknown) => {
      log.warn({ err: thrown, events: produced.length }, 'what the stage says did not reach the Broker');
      throw thrown;
    });
    return new Response(null, { status: 202 });
  }

  /** Failures of the work have been logged where it was done. */
  function refuse(thrown: unknown, to: 'request' | 'event'): Response {
    const error = KnarrError.from(thrown);
    if (error !== thrown && error.code === 'internal') log.error({ err: thrown }, error.message);
    return problemResponse(error, to);
  }

  function refuseWhenDraining(): void {
    if (isDraining()) throw new KnarrError('unavailable', 'The stage is shutting down.');
  }

  /** `POST /`, without the way through the router. */
  async function work(request: Request, inside: boolean): Promise<Response> {
    const isEvent = eventMode(request.headers) !== undefined;
    let caller: Caller | undefined;
    try {
      refuseWhenDraining();
      if (isEvent) {
        if (!inside) await stage.admitEvent?.(request, deps);
        return await answerEvent(request, inside);
      }
      caller = inside ? undefined : await stage.admit?.(request, deps);
      if (stage.admit && !caller && !inside) throw new KnarrError('unauthenticated', 'Say who you are.');
      return withHeaders(await answerJson(request, caller, inside), caller);
    } catch (thrown) {
      return withHeaders(refuse(thrown, isEvent ? 'event' : 'request'), caller);
    }
  }

  function withHeaders(answer: Response, caller: Caller | undefined): Response {
    const headers = caller && stage.answerHeaders?.(caller, deps);
    for (const [name, value] of Object.entries(headers ?? {})) {
      if (!answer.headers.has(name)) answer.headers.set(name, value);
    }
    return answer;
  }

  const app = new Hono<Env>();
  app.onError((error) => refuse(error, 'request'));
  app.notFound(() => problemResponse(new KnarrError('not_found', 'There is nothing at this path.')));
  app.get('/health/liveness', (c) => c.json({ status: 'live' }));
  app.get('/health/readiness', async (c) => {
    try {
      await running.ready();
      return c.json({ status: 'ready' });
    } catch (thrown) {
      const { message } = KnarrError.from(thrown);
      return problemResponse(new KnarrError('unavailable', message, { cause: thrown }));
    }
  });
  app.get('/metrics', async (c) =>
    c.text(await metrics.text(), 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }),
  );
  app.get('/info', (c) =>
    c.json({
      name: stage.name,
      summary: stage.summary,
      version: packageJson.version,
      consumes: Object.keys(stage.on).map((name) => eventType(name as EventName)),
      produces: producedTypes(stage),
      ...stage.found?.(deps),
      config: config ?? {},
    }),
  );
  for (const path of ['/health/liveness', '/health/readiness', '/metrics', '/info']) {
    app.all(path, (c) => notAllowed(c.req.method, 'GET'));
  }
  app.use(async (c, next) => {
    refuseWhenDraining();
    if (!c.env.inside) c.set('caller', await stage.admit?.(c.req.raw, deps));
    await next();
    withHeaders(c.res, c.get('caller'));
  });
  app.options('/', () => new Response(null, { headers: WEB_HOOK }));
  const routes = stage.routes?.(deps, log);
  if (routes) app.route('/', routes);
  app.all('/', (c) => notAllowed(c.req.method, 'POST, OPTIONS'));
  return async (request, inside) =>
    request.method === 'POST' && isRoot(request.url) ? work(request, inside) : app.fetch(request, { inside });
}

interface Env {
  Bindings: { inside: boolean };
  Variables: { caller: Caller | undefined };
}

function isRoot(url: string): boolean {
  const path = url.indexOf('/', url.indexOf('//') + 2);
  return path === url.length - 1 || url[path + 1] === '?';
}

/**
 * The event of a request, in the trace of the request when it names none itself. Whatever is wrong with its bytes makes
 * it malformed, except their number or encoding.
 */
async function eventOf(request: Request, limit: number): Promise<CloudEvent> {
  try {
    const event = readEvent(request.headers, await readBody(request, limit));
    if (event.traceparent !== undefined || !request.headers.has('traceparent')) return event;
    const [traceparent, tracestate] = ['traceparent', 'tracestate'].map((name) => request.headers.get(name));
    return { ...event, traceparent, ...(tracestate && { tracestate }) };
  } catch (thrown) {
    const error = KnarrError.from(thrown);
    if (error.code !== 'invalid_request') throw error;
    throw new KnarrError('malformed_event', error.message, { cause: thrown });
  }
}

/** 405 with the methods that the path does answer. */
export function notAllowed(method: string, allow: string): Response {
  const answer = problemResponse(new KnarrError('method_not_allowed', `${method} is not allowed here.`));
  answer.headers.set('allow', allow);
  return answer;
}

/** Every event type a stage may emit. */
export function producedTypes(stage: Pick<Stage<never>, 'on' | 'emits'>): string[] {
  const names = Object.values(stage.on).flatMap((binding) => binding?.produces ?? []);
  return [...new Set([...names, ...(stage.emits ?? [])])].map(eventType);
}
