import { Hono } from 'hono';
import type { z } from 'zod';
import packageJson from '../../../package.json' with { type: 'json' };
import { KnarrError } from '../errors.ts';
import {
  type CloudEvent,
  type Emitted,
  EVENTS,
  type EventData,
  type EventName,
  eventName,
  eventType,
  toCloudEvent,
} from '../events.ts';
import { parseJson } from '../json.ts';
import type { Call, Context, EventBinding, Logger, Publisher, Stage } from '../stage.ts';
import { createMetrics, type Metrics } from '../telemetry/metrics.ts';
import { childTraceparent, readTraceparent, traceId } from '../telemetry/trace.ts';
import { decodeUtf8, readBody } from './body.ts';
import { callScope, readCall } from './call.ts';
import { eventMode, readEvent, writeBinary } from './cloudevents.ts';
import { problemResponse, validate } from './problem.ts';
import { progressStream, wantsStream } from './stream.ts';

const DEFAULT_MAX_BODY = 1024 * 1024;

export interface RunOptions {
  log: Logger;
  /** Where events go that cannot be the reply; without one, emitting several at once fails. */
  publisher?: Publisher | undefined;
  metrics?: Metrics | undefined;
  /** Shown by `/info`; secrets already redacted. */
  config?: Record<string, unknown>;
  maxBodyBytes?: number | undefined;
}

/** A stage with its dependencies, ready to work. */
export interface RunningStage<In = unknown, Out = unknown> {
  readonly name: string;
  /** Answers an HTTP request; needs no port. */
  fetch(request: Request): Promise<Response>;
  /** The stage's JSON contract, called in this process. */
  call(input: In, call: Call): Promise<Out>;
  /** Handles one event; what it says in turn comes back. */
  receive(event: CloudEvent, signal: AbortSignal): Promise<CloudEvent[]>;
  /** Throws why the stage cannot work. */
  ready(): Promise<void>;
  /** From now on readiness fails and new work is refused with 503. */
  drain(): void;
}

export function runStage<Deps, In, Out>(
  stage: Stage<Deps, In, Out>,
  deps: Deps,
  options: RunOptions,
): RunningStage<In, Out> {
  const { log, publisher } = options;
  const metrics = options.metrics ?? createMetrics();
  const maxBody = options.maxBodyBytes ?? stage.maxBodyBytes ?? DEFAULT_MAX_BODY;
  let draining = false;

  async function observed<T>(
    kind: 'call' | 'event',
    traceparent: string | undefined,
    work: () => Promise<T>,
  ): Promise<T> {
    const started = performance.now();
    let outcome = 'ok';
    try {
      return await work();
    } catch (thrown) {
      const error = KnarrError.from(thrown);
      outcome = error.code;
      const fields = { trace: traceId(traceparent), code: error.code, kind };
      if (error.status >= 500 && error.code !== 'cancelled')
        log.error({ ...fields, err: error.cause ?? error }, error.message);
      else log.debug(fields, error.message);
      throw error;
    } finally {
      metrics.observeStage(stage.name, kind, outcome, (performance.now() - started) / 1000);
    }
  }

  function context(call: Call): Context<Deps> {
    return { ...call, traceparent: childTraceparent(call.traceparent), deps, log };
  }

  const refuseExpired = (deadline: number | undefined) => {
    if (deadline !== undefined && Date.now() >= deadline) {
      throw new KnarrError('deadline_exceeded', 'The deadline had passed before the work began.');
    }
  };

  const running: RunningStage<In, Out> = {
    name: stage.name,
    call: (input, call) =>
      observed('call', call.traceparent, async () => {
        refuseExpired(call.deadline);
        call.signal.throwIfAborted();
        return stage.handle(validate(stage.input, input), context(call));
      }),
    receive: (event, signal) => receive(event, signal),
    async ready() {
      if (draining) throw new KnarrError('unavailable', 'The stage is shutting down.');
      await stage.ready?.(deps);
    },
    drain() {
      draining = true;
      stage.drain?.(deps);
    },
    fetch: async (request) => app.fetch(request),
  };

  async function receive(event: CloudEvent, outer: AbortSignal): Promise<CloudEvent[]> {
    const text = (name: string) => (typeof event[name] === 'string' ? (event[name] as string) : undefined);
    const tenant = text('tenant') ?? 'default';
    const deadline = text('deadline') === undefined ? undefined : Date.parse(text('deadline') as string);
    const traceparent = readTraceparent(text('traceparent'));
    const scope = callScope(outer, deadline);
    const eventContext = {
      ...context({ tenant, principals: ['*'], deadline, signal: scope.signal, traceparent }),
      event,
    };
    return observed('event', traceparent, async () => {
      const isDeadLetter = event.knativeerrorcode !== undefined || event.knativeerrordest !== undefined;
      if (isDeadLetter && stage.onDeadLetter) return said(await stage.onDeadLetter(event, eventContext));
      // A Broker would try again; it cannot become less late. As a permanent failure it ends where somebody sees it.
      if (deadline !== undefined && Date.now() >= deadline) {
        throw new KnarrError('unprocessable', 'The deadline had passed before the work began.');
      }
      const name = eventName(event.type);
      const binding = name && (stage.on[name] as EventBinding<Deps, EventName> | undefined);
      if (!name || !binding)
        throw new KnarrError('malformed_event', `${stage.name} does not consume ${event.type.slice(0, 96)}.`);
      const data = validate(EVENTS[name] as z.ZodType<EventData<typeof name>>, event.data, 'The event data');
      return said(await binding.handle(data, eventContext));
    }).finally(scope.end);

    function said(emitted: Emitted | Emitted[] | undefined): CloudEvent[] {
      const all = emitted === undefined ? [] : Array.isArray(emitted) ? emitted : [emitted];
      return all.map((one) =>
        toCloudEvent(stage.name, one, {
          tenant,
          ...(eventContext.traceparent === undefined ? {} : { traceparent: eventContext.traceparent }),
          ...(text('deadline') === undefined ? {} : { deadline: text('deadline') as string }),
          ...(text('correlationid') === undefined ? {} : { correlationid: text('correlationid') as string }),
        }),
      );
    }
  }

  /** One event is the reply; several go to the Broker before the answer, so that a failure is retried as a whole. */
  async function answerEvent(request: Request): Promise<Response> {
    const event = readEvent(request.headers, await readBody(request, maxBody));
    const produced = await receive(event, request.signal);
    if (produced.length === 0) return new Response(null, { status: 204 });
    if (produced.length === 1 && produced[0]) {
      const { headers, body } = writeBinary(produced[0]);
      return new Response(body, { status: 200, headers });
    }
    if (!publisher)
      throw new KnarrError('internal', `${stage.name} emits several events, which needs K_SINK.`);
    await publisher.publish(produced, request.signal);
    return new Response(null, { status: 202 });
  }

  async function answerJson(request: Request): Promise<Response> {
    const type = request.headers.get('content-type') ?? '';
    if (type !== '' && !/^application\/([\w.-]+\+)?json\b/i.test(type)) {
      throw new KnarrError('unsupported_media_type', 'Send JSON (application/json) or a CloudEvent.');
    }
    const body = decodeUtf8(await readBody(request, maxBody));
    const input = parseJson(body) as In;
    const { call, end } = readCall(request);
    if (wantsStream(request)) {
      return progressStream((onProgress) => running.call(input, { ...call, onProgress }).finally(end));
    }
    const started = performance.now();
    try {
      const output = await running.call(input, call);
      return Response.json(output, {
        headers: { 'server-timing': `${stage.name};dur=${(performance.now() - started).toFixed(2)}` },
      });
    } finally {
      end();
    }
  }

  const app = new Hono();
  app.onError((error) => problemResponse(error));
  app.notFound(() => problemResponse(new KnarrError('not_found', 'There is nothing at this path.')));
  app.get('/health/liveness', (c) => c.json({ status: 'live' }));
  app.get('/health/readiness', async (c) => {
    try {
      await running.ready();
      return c.json({ status: 'ready' });
    } catch (thrown) {
      return problemResponse(
        new KnarrError('unavailable', KnarrError.from(thrown).message, { cause: thrown }),
      );
    }
  });
  app.get('/metrics', async (c) =>
    c.text(await metrics.text(), 200, { 'content-type': 'text/plain; version=0.0.4' }),
  );
  app.get('/info', (c) =>
    c.json({
      name: stage.name,
      summary: stage.summary,
      version: packageJson.version,
      consumes: Object.keys(stage.on).map((name) => eventType(name as EventName)),
      produces: producedTypes(stage),
      config: options.config ?? {},
    }),
  );
  app.use(async (c, next) => {
    if (draining) throw new KnarrError('unavailable', 'The stage is shutting down.');
    stage.admit?.(c.req.raw, deps);
    return next();
  });
  // Web hook validation, as Knative's ingress answers it.
  app.options(
    '/',
    () =>
      new Response(null, {
        headers: { allow: 'POST, OPTIONS', 'webhook-allowed-origin': '*', 'webhook-allowed-rate': '*' },
      }),
  );
  app.post('/', async (c) => {
    const request = c.req.raw;
    if (eventMode(request.headers) === undefined) return answerJson(request);
    return answerEvent(request).catch((thrown) => problemResponse(thrown, 'event'));
  });
  const routes = stage.routes?.(deps, log);
  if (routes) app.route('/', routes);
  app.all('/', (c) => {
    const answer = problemResponse(
      new KnarrError('method_not_allowed', `${c.req.method} is not allowed here.`),
    );
    answer.headers.set('allow', 'POST, OPTIONS');
    return answer;
  });
  return running;
}

/** Every event type a stage may emit. */
export function producedTypes(stage: Pick<Stage<never>, 'on'>): string[] {
  const names = Object.values(stage.on).flatMap((binding) => binding?.produces ?? []);
  return [...new Set(names)].map(eventType);
}
