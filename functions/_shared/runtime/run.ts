import type { z } from 'zod';
import { KnarrError } from '../errors.ts';
import {
  type CloudEvent,
  type Emitted,
  EVENTS,
  type EventData,
  type EventName,
  eventName,
  isDeadLetter,
  toCloudEvent,
} from '../events.ts';
import type { Call, Context, EventBinding, Logger, Publisher, Stage } from '../stage.ts';
import type { StageKey } from '../stage-key.ts';
import { createMetrics, type Metrics } from '../telemetry/metrics.ts';
import { childTraceparent, readTraceparent, readTracestate, spanId, traceId } from '../telemetry/trace.ts';
import { byDeadline, callScope, readDeadline, withSignal } from './call.ts';
import { createApp } from './http.ts';
import { validate } from './problem.ts';
import { createReadiness } from './readiness.ts';

export interface RunOptions {
  log: Logger;
  /** Where events go that cannot be the reply; without one, emitting several at once fails. */
  publisher?: Publisher | undefined;
  /** Where events go that are refused for good, when the Broker sees to that itself: nowhere. */
  deadLetters?: Publisher | undefined;
  metrics?: Metrics | undefined;
  /** Proves replies, and that calls and events come from stages; what is made in this process need not prove it. */
  key?: StageKey | undefined;
  /** Shown by `/info`; secrets already redacted. */
  config?: Record<string, unknown>;
  maxBodyBytes?: number | undefined;
  /** Validates what the handler answers, too; for tests, since it costs as much as validating the input. */
  checkOutput?: boolean;
}

/** A value, or what makes it when it is wanted. */
type Lazily<T> = T | (() => T);

/** A stage with its dependencies, ready to work. */
export interface RunningStage<In = unknown, Out = unknown> {
  readonly name: string;
  /** Answers an HTTP request; needs no port. `inside`: it was made in this process, which need not prove who it is. */
  fetch(request: Request, options?: { inside?: boolean }): Promise<Response>;
  /** The stage's JSON contract, called in this process. */
  call(input: In, call: Call): Promise<Out>;
  /** Handles one event; what it says in turn comes back. */
  receive(event: CloudEvent, signal: Lazily<AbortSignal>): Promise<CloudEvent[]>;
  /** Throws why the stage cannot work: from memory, see {@link createReadiness}. */
  ready(): Promise<void>;
  /** From now on readiness fails and new work is refused with 503. */
  drain(): void;
}

export function runStage<Deps, In, Out>(
  stage: Stage<Deps, In, Out>,
  deps: Deps,
  options: RunOptions,
): RunningStage<In, Out> {
  const { log } = options;
  const metrics = options.metrics ?? createMetrics();
  const ready = stage.ready && createReadiness(async () => stage.ready?.(deps), log);
  let draining = false;

  /**
   * One piece of work: refused when it comes too late, with a signal that ends at its deadline and a span of its own,
   * measured, and logged when it fails.
   */
  async function work<T>(
    kind: 'call' | 'event',
    outer: Call,
    handle: (context: Context<Deps>) => Promise<T>,
  ): Promise<T> {
    const started = performance.now();
    const traceparent = childTraceparent(outer.traceparent);
    const workLog = log.child({ trace_id: traceId(traceparent), span_id: spanId(traceparent) });
    let scope: ReturnType<typeof callScope> | undefined;
    const signal = () => {
      scope ??= callScope(outer.signal, outer.deadline);
      return scope.signal;
    };
    const context = Object.assign(withSignal(outer, signal), { traceparent, deps, metrics, log: workLog });
    let outcome = 'ok';
    try {
      return await byDeadline(handle(context), outer.deadline);
    } catch (thrown) {
      const error = KnarrError.from(thrown);
      outcome = error.code;
      const fields = { code: error.code, kind };
      if (error.status >= 500) workLog.error({ ...fields, err: error.cause ?? error }, error.message);
      else workLog.debug(fields, error.message);
      throw error;
    } finally {
      scope?.end();
      metrics.observeStage(stage.name, kind, outcome, (performance.now() - started) / 1000);
    }
  }

  async function call(input: In, outer: Call): Promise<Out> {
    return work('call', outer, async (context) => {
      if (hasPassed(outer.deadline))
        throw new KnarrError('deadline_exceeded', 'The deadline had passed before the work began.');
      const output = await stage.handle(validate(stage.input, input), context);
      return options.checkOutput ? stage.output.parse(output) : output;
    });
  }

  /**
   * An event whose deadline has passed is a permanent failure (`unprocessable`): a Broker that tried again would only
   * be later still, and as a dead letter it ends where it is seen. Dead letters have no deadline.
   */
  async function receive(event: CloudEvent, signal: Lazily<AbortSignal>): Promise<CloudEvent[]> {
    const attributes = readAttributes(event);
    const deadline = isDeadLetter(event) ? undefined : attributes.deadline;
    const outer: Call = {
      ...attributes,
      principals: ['*'],
      deadline,
      get signal() {
        return typeof signal === 'function' ? signal() : signal;
      },
    };
    return work('event', outer, async (context) => {
      if (hasPassed(deadline))
        throw new KnarrError('unprocessable', 'The deadline had passed before the work began.');
      const emitted =
        isDeadLetter(event) && stage.onDeadLetter
          ? await stage.onDeadLetter(event, context)
          : await handleEvent(event, context);
      const said = emitted === undefined ? [] : Array.isArray(emitted) ? emitted : [emitted];
      return said.map((one) => toCloudEvent(stage.name, one, passedOn(event, context)));
    });
  }

  async function handleEvent(
    event: CloudEvent,
    context: Context<Deps>,
  ): Promise<Emitted | Emitted[] | undefined> {
    const name = eventName(event.type);
    const binding = name && (stage.on[name] as EventBinding<Deps, EventName> | undefined);
    if (!name || !binding)
      throw new KnarrError('unprocessable', `${stage.name} does not consume ${event.type.slice(0, 96)}.`);
    const data = validate(EVENTS[name] as z.ZodType<EventData<EventName>>, event.data, 'The event data');
    return binding.handle(data, Object.assign(context, { event }));
  }

  const running: RunningStage<In, Out> = {
    name: stage.name,
    call,
    receive,
    async ready() {
      if (draining) throw new KnarrError('unavailable', 'The stage is shutting down.');
      await ready?.();
    },
    drain() {
      draining = true;
      stage.drain?.(deps);
    },
    fetch: (request, { inside = false } = {}) => answer(request, inside),
  };
  const answer = createApp(stage, deps, running, { ...options, metrics, isDraining: () => draining });
  return running;
}

const hasPassed = (deadline: number | undefined) => deadline !== undefined && Date.now() >= deadline;

/** The attributes of an event that belong to the call. Throws `malformed_event` for a deadline that is no instant. */
function readAttributes(event: CloudEvent): Pick<Call, 'tenant' | 'deadline' | 'traceparent' | 'tracestate'> {
  const traceparent = readTraceparent(text(event, 'traceparent'));
  try {
    return {
      tenant: text(event, 'tenant') ?? 'default',
      deadline: readDeadline(text(event, 'deadline'), 'The deadline'),
      traceparent,
      tracestate: readTracestate(text(event, 'tracestate'), traceparent),
    };
  } catch (thrown) {
    throw new KnarrError('malformed_event', (thrown as Error).message, { cause: thrown });
  }
}

/** What an emitted event takes over from the one that caused it. */
function passedOn(event: CloudEvent, { tenant, traceparent, tracestate }: Call) {
  const deadline = text(event, 'deadline');
  const correlationid = text(event, 'correlationid');
  return {
    tenant,
    ...(traceparent !== undefined && { traceparent }),
    ...(tracestate !== undefined && { tracestate }),
    ...(deadline !== undefined && { deadline }),
    ...(correlationid !== undefined && { correlationid }),
  };
}

function text(event: CloudEvent, name: string): string | undefined {
  const value = event[name];
  return typeof value === 'string' ? value : undefined;
}
