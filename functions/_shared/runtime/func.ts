import { setTimeout as sleep } from 'node:timers/promises';
import type { Knobs } from '../config.ts';
import { KnarrError } from '../errors.ts';
import type { CloudEvent } from '../events.ts';
import type { Stage } from '../stage.ts';
import { writeBinary } from './cloudevents.ts';
import { problemResponse } from './problem.ts';
import type { RunningStage } from './run.ts';
import { openStage } from './start.ts';

/** What func's Node runtime hands to a function (the members that a stage uses). */
export interface FuncContext {
  method?: string;
  headers: Record<string, string | string[] | undefined>;
  /** An object of the `cloudevents` package under the stock runtime. */
  cloudevent?: object | undefined;
}
export interface FuncAnswer {
  statusCode: number;
  headers: Record<string, string>;
  body: string;
}
/** A func module: func's Node contract (faas-js-runtime). */
export interface FuncModule {
  init(): Promise<void>;
  handle(context: FuncContext, input: unknown): Promise<FuncAnswer>;
  shutdown(): Promise<void>;
  liveness(): object;
  /** Throws, with `statusCode` 503, while the stage is not ready. */
  readiness(): Promise<object>;
}

/** Longest wait for work in flight at shutdown, ms; Kubernetes kills after 30 s. */
const DRAIN_MS = 25_000;
/** Headers of a body that the stock runtime has read already; and it cannot stream. */
const CONSUMED = /^(content-length|transfer-encoding|accept|connection)$/;

/**
 * A stage as a func module, for the stock `faas-js-runtime`. It answers what Knarr's own runtime answers; failures are
 * answers too, because the stock runtime would send an error's `code` as an HTTP status. `shutdown` waits for the work
 * in flight, which the stock runtime would drop.
 */
export function asFunction<Deps, In, Out, K extends Knobs>(
  stage: Stage<Deps, In, Out, K>,
  env: Record<string, string | undefined> = process.env,
): FuncModule {
  let opened: { running: RunningStage<In, Out>; close: () => Promise<void> } | undefined;
  let inFlight = 0;
  const running = () => {
    if (!opened) throw new KnarrError('unavailable', 'The function has not been initialised.');
    return opened.running;
  };
  return {
    async init() {
      // The stock runtime listens at every address.
      opened = await openStage(stage, env, () => '');
    },
    async handle(context, input) {
      inFlight++;
      try {
        return await answerOf(await running().fetch(requestOf(context, input)));
      } catch (thrown) {
        return await answerOf(problemResponse(thrown));
      } finally {
        inFlight--;
      }
    },
    async shutdown() {
      opened?.running.drain();
      for (let waited = 0; inFlight > 0 && waited < DRAIN_MS; waited += 20) await sleep(20);
      await opened?.close();
    },
    liveness: () => ({ status: 'live' }),
    async readiness() {
      try {
        await running().ready();
        return { status: 'ready' };
      } catch (thrown) {
        const { message } = KnarrError.from(thrown);
        throw Object.assign(new Error(message, { cause: thrown }), { statusCode: 503 });
      }
    },
  };
}

function requestOf({ method = 'POST', headers, cloudevent }: FuncContext, input: unknown): Request {
  const event = cloudevent && writeBinary(plainEvent(cloudevent));
  const sent = new Headers({ 'content-type': 'application/json' });
  for (const [name, value] of Object.entries({ ...headers, ...event?.headers })) {
    if (typeof value === 'string' && !CONSUMED.test(name)) sent.set(name, value);
  }
  // What the stock runtime does not parse it hands over as bytes.
  const body =
    event?.body ?? (input instanceof Uint8Array ? new Uint8Array(input) : JSON.stringify(input ?? null));
  const hasBody = method !== 'GET' && method !== 'HEAD';
  return new Request('http://function/', { method, headers: sent, ...(hasBody && { body }) });
}

/** An event of the `cloudevents` package without what the package added: there, `data_base64` holds the real bytes. */
function plainEvent(event: object): CloudEvent {
  const { data_base64: base64, ...plain } = { ...event } as CloudEvent & { data_base64?: string };
  return base64 === undefined ? plain : { ...plain, data: new Uint8Array(Buffer.from(base64, 'base64')) };
}

async function answerOf(response: Response): Promise<FuncAnswer> {
  return {
    statusCode: response.status,
    headers: Object.fromEntries(response.headers),
    body: await response.text(),
  };
}
