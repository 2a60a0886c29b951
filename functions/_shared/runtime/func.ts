import type { Knobs } from '../config.ts';
import { KnarrError } from '../errors.ts';
import type { CloudEvent } from '../events.ts';
import type { Stage } from '../stage.ts';
import { writeBinary } from './cloudevents.ts';
import { problemResponse } from './problem.ts';
import type { RunningStage } from './run.ts';
import { openStage } from './start.ts';

/** What func's Node runtime hands to a function (the members that Knarr uses). */
export interface FuncContext {
  headers: Record<string, string | string[] | undefined>;
  cloudevent?: object;
}
export interface FuncAnswer {
  statusCode: number;
  headers: Record<string, string>;
  body?: string;
}
/** A func module: func's Node contract (faas-js-runtime). */
export interface FuncModule {
  init(): Promise<void>;
  handle(context: FuncContext, input: unknown): Promise<FuncAnswer>;
  shutdown(): Promise<void>;
  liveness(): void;
  readiness(): Promise<void>;
}

/**
 * A stage as a func module, for the stock `faas-js-runtime`. It answers what Knarr's own runtime answers; failures are
 * answers too, because the stock runtime would send an error's `code` as an HTTP status.
 */
export function asFunction<Deps, In, Out, K extends Knobs>(
  stage: Stage<Deps, In, Out, K>,
  env: Record<string, string | undefined> = process.env,
): FuncModule {
  let opened: { running: RunningStage<In, Out>; close: () => Promise<void> } | undefined;
  const running = () => {
    if (!opened) throw new KnarrError('unavailable', 'The function has not been initialised.');
    return opened.running;
  };
  return {
    async init() {
      opened = await openStage(stage, env);
    },
    async handle(context, input) {
      const { headers, body } = context.cloudevent
        ? writeBinary({ ...context.cloudevent } as CloudEvent)
        : { headers: {}, body: JSON.stringify(input ?? null) };
      const sent = new Headers({ 'content-type': 'application/json' });
      for (const [name, value] of Object.entries({ ...context.headers, ...headers })) {
        // The body has been read and decoded already.
        const isBodyHeader = /^(content-length|content-encoding|transfer-encoding|accept)$/.test(name);
        if (typeof value === 'string' && !isBodyHeader) sent.set(name, value);
      }
      const request = new Request('http://function/', { method: 'POST', headers: sent, body });
      return answerOf(
        await running()
          .fetch(request)
          .catch((thrown) => problemResponse(thrown)),
      );
    },
    async shutdown() {
      opened?.running.drain();
      await opened?.close();
    },
    liveness() {},
    readiness: () => running().ready(),
  };
}

async function answerOf(response: Response): Promise<FuncAnswer> {
  const body = await response.text();
  const headers = Object.fromEntries(response.headers);
  return { statusCode: response.status, headers, ...(body === '' ? { body: '' } : { body }) };
}
