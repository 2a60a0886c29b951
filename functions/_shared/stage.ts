import type { Hono } from 'hono';
import type { z } from 'zod';
import type { Config, Knobs } from './config.ts';
import type { CloudEvent, Emitted, EventData, EventName } from './events.ts';
import type { Metrics } from './telemetry/metrics.ts';

export const STAGES = [
  'gateway',
  'ingest',
  'embed',
  'index',
  'search',
  'fetch',
  'generate',
  'recover',
] as const;
export type StageName = (typeof STAGES)[number];

/** Structured logger (pino's shape). Never given content or secrets. */
export interface Logger {
  debug(fields: object, message?: string): void;
  info(fields: object, message?: string): void;
  warn(fields: object, message?: string): void;
  error(fields: object, message?: string): void;
  child(fields: object): Logger;
}

/** Who asks: comes from a verified token at the edge and travels with the call, never inside an input. */
export interface Caller {
  tenant: string;
  /** `user:…` and `group:…` names plus `*`, which stands for everybody in the tenant. */
  principals: readonly string[];
  /** Collections that the token is limited to; undefined: all of the tenant. The edge sees to it, it travels no further. */
  collections?: readonly string[] | undefined;
}

/** What travels with every call from stage to stage. */
export interface Call extends Caller {
  /** Milliseconds since the epoch; work that is not done by then is pointless. */
  deadline?: number | undefined;
  /** Aborted when the caller has gone or the deadline has passed. */
  signal: AbortSignal;
  /** W3C trace context of the caller. */
  traceparent?: string | undefined;
  /** What tracing systems have added to it; passed on as it came. */
  tracestate?: string | undefined;
  /** Receives partial output (text as it is generated) in order. */
  onProgress?: ((part: Progress) => void) | undefined;
}

/** A piece of an answer while it is made. */
export interface Progress {
  text: string;
}

/** What a handler gets beside its input. */
export interface Context<Deps> extends Call {
  deps: Deps;
  log: Logger;
  metrics: Pick<Metrics, 'count'>;
}

/** For handlers of events: the event itself, for its id and attributes. */
export interface EventContext<Deps> extends Context<Deps> {
  event: CloudEvent;
}

interface Answers<Deps, N extends EventName, Said> {
  /** The types this handler may emit; `[]` for a sink. */
  produces: readonly EventName[];
  handle(data: EventData<N>, context: EventContext<Deps>): Promise<Said>;
}
/**
 * What a stage does with an event of a type. It says at most one in turn, which is its reply. One that may say `several`
 * publishes them: where the stage runs it needs K_SINK and a way to the Broker.
 */
export type EventBinding<Deps, N extends EventName> =
  | (Answers<Deps, N, Emitted | undefined> & { several?: false })
  | (Answers<Deps, N, Emitted[]> & { several: true });
export type EventBindings<Deps> = { readonly [N in EventName]?: EventBinding<Deps, N> };

/** Tools a stage is opened with. */
export interface StageTools {
  log: Logger;
  metrics: Pick<Metrics, 'count' | 'gauge'>;
}

/**
 * A stage, declared once. The runtime turns it into an HTTP server or a func module; `_local` mounts it in one
 * process with dependencies of its own making.
 */
export interface Stage<Deps, In = unknown, Out = unknown, K extends Knobs = Knobs> {
  name: StageName;
  /** One sentence for `/info` and the generated documents. */
  summary: string;
  input: z.ZodType<In>;
  output: z.ZodType<Out>;
  /** Plain JSON in, plain JSON out. */
  handle(input: In, context: Context<Deps>): Promise<Out>;
  on: EventBindings<Deps>;
  /** Types it says on its own account, not in answer to an event that it consumes. */
  emits?: readonly EventName[];
  /**
   * For the stage at the edge: who asks from outside this process, by what the request proves. Undefined: nobody in
   * particular, which only the stage's own routes may answer. Refuses by throwing, before a body is read. Health, metrics
   * and info are always answered. A stage without it believes a call that proves to be a stage's.
   */
  admit?(request: Request, deps: Deps): Promise<Caller | undefined>;
  /** Headers of every answer to a caller from outside, unless the answer has its own. */
  answerHeaders?(caller: Caller, deps: Deps): Record<string, string>;
  /** The same as `admit` for an event at `POST /`: throws unless the Broker sends it. */
  admitEvent?(request: Request, deps: Deps): Promise<void>;
  /** Throws `ConfigError` when, configured like this, it must not be reachable at this address (`''`: at every one). */
  checkAddress?(hostname: string, config: Config<K>): void;
  /** Called when the stage is to end: what would hold its server open, such as a stream that follows something, lets go. */
  drain?(deps: Deps): void;
  /** What it found at its start, for `/info`. */
  found?(deps: Deps): Record<string, unknown>;
  /** Further HTTP routes beside the runtime's own; only the gateway has them. */
  routes?(deps: Deps, log: Logger): Hono;
  /** Takes dead letters: any event that carries `knativeerrorcode` or `knativeerrordest`. */
  onDeadLetter?(event: CloudEvent, context: Context<Deps>): Promise<Emitted | undefined>;
  knobs: K;
  open(config: Config<K>, tools: StageTools): Promise<Deps>;
  close?(deps: Deps): Promise<void>;
  /** Throws while the stage cannot do any of its work; what some requests can do without does not count. */
  ready?(deps: Deps): Promise<void>;
  /** Largest body accepted, bytes, after decompression. Default 1 MiB. */
  maxBodyBytes?: number;
}

/** Whether the stage needs K_SINK: it speaks on its own account, or may say several events in answer to one. */
export const publishes = ({ on, emits = [] }: Pick<Stage<never>, 'on' | 'emits'>): boolean =>
  emits.length > 0 || Object.values(on).some((binding) => binding?.several === true);

/** Identity function that infers the type parameters of a stage. */
export function defineStage<Deps, In, Out, K extends Knobs>(
  stage: Stage<Deps, In, Out, K>,
): Stage<Deps, In, Out, K> {
  return stage;
}

/** How one stage is called from another: by HTTP or in the same process, the caller cannot tell. */
export type StageClient<In, Out> = (input: In, call: Call) => Promise<Out>;

/** Where events go: the Broker's ingress. Resolves when the Broker has taken them all. */
export interface Publisher {
  publish(events: readonly CloudEvent[], signal?: AbortSignal): Promise<void>;
}
