import { setTimeout as sleep } from 'node:timers/promises';
import { createParser } from 'eventsource-parser';
import { type ErrorCode, KnarrError } from './errors.ts';
import type { CloudEvent } from './events.ts';
import { callScope, writeCall } from './runtime/call.ts';
import { writeBinary } from './runtime/cloudevents.ts';
import type { RunningStage } from './runtime/run.ts';
import type { Call, Progress, Publisher, StageClient } from './stage.ts';

/** A stage in this process. */
export function localClient<In, Out>(running: Pick<RunningStage<In, Out>, 'call'>): StageClient<In, Out> {
  return (input, call) => running.call(input, call);
}

const DEFAULT_TIMEOUT = 30_000;

/** A stage behind a URL. Its problem details become the same KnarrError they were; no answer is `unavailable`. */
export function httpClient<In, Out>(url: string, timeout = DEFAULT_TIMEOUT): StageClient<In, Out> {
  return async (input, call) => {
    const deadline = call.deadline ?? Date.now() + timeout;
    const scope = callScope(call.signal, deadline);
    try {
      const headers: Record<string, string> = {
        ...writeCall({ ...call, deadline }),
        'content-type': 'application/json',
      };
      if (call.onProgress) headers.accept = 'text/event-stream';
      const response = await fetch(url, {
        method: 'POST',
        headers,
        body: JSON.stringify(input),
        signal: scope.signal,
        redirect: 'error',
      });
      if (!response.ok) throw await errorOf(response);
      const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
      if (isStream) return await readStream<Out>(response, call);
      return (await response.json()) as Out;
    } catch (thrown) {
      if (scope.signal.aborted) throw KnarrError.from(scope.signal.reason);
      if (thrown instanceof KnarrError) throw thrown;
      throw new KnarrError('unavailable', `The stage at ${new URL(url).host} does not answer.`, {
        cause: thrown,
      });
    } finally {
      scope.end();
    }
  };
}

async function errorOf(response: Response): Promise<KnarrError> {
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
  return toError(problem, response.status, Number.isNaN(retryAfter) ? undefined : retryAfter);
}

function toError(
  problem: { code?: string; detail?: string },
  status: number,
  retryAfter?: number,
): KnarrError {
  const code: ErrorCode = problem.code && KnarrError.isCode(problem.code) ? problem.code : 'upstream_failed';
  return new KnarrError(
    code,
    problem.detail ?? `The stage answered ${status}.`,
    retryAfter ? { retryAfter } : {},
  );
}

async function readStream<Out>(response: Response, call: Call): Promise<Out> {
  let result: Out | undefined;
  let failure: KnarrError | undefined;
  const parser = createParser({
    onEvent({ event, data }) {
      const value = JSON.parse(data);
      if (event === 'progress') call.onProgress?.(value as Progress);
      else if (event === 'result') result = value as Out;
      else if (event === 'error') failure = toError(value, value.status);
    },
  });
  const decoder = new TextDecoder();
  for await (const part of response.body ?? []) parser.feed(decoder.decode(part, { stream: true }));
  if (failure) throw failure;
  if (result === undefined) throw new KnarrError('upstream_failed', 'The stage ended its answer early.');
  return result;
}

/** Statuses after which a Broker may still take the event; ids are derived, so a repeat is harmless. */
const RETRIED = new Set([404, 408, 409, 429]);
const ATTEMPTS = 5;

/** Publishes to a Broker's ingress in binary mode, each event until it is taken or five attempts have failed. */
export function httpPublisher(url: string, timeout = DEFAULT_TIMEOUT): Publisher {
  async function publishOne(event: CloudEvent, signal: AbortSignal | undefined): Promise<void> {
    const { headers, body } = writeBinary(event);
    for (let attempt = 1; ; attempt++) {
      const limit = AbortSignal.timeout(timeout);
      const response = await fetch(url, {
        method: 'POST',
        headers,
        body,
        redirect: 'error',
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      }).catch(() => undefined);
      signal?.throwIfAborted();
      await response?.body?.cancel();
      if (response?.ok) return;
      const mayPass = response === undefined || response.status >= 500 || RETRIED.has(response.status);
      if (!mayPass)
        throw new KnarrError('internal', `The Broker refused ${event.type} with ${response.status}.`);
      if (attempt === ATTEMPTS) throw new KnarrError('unavailable', 'The Broker does not take events.');
      await sleep(100 * 2 ** attempt * (0.5 + Math.random()), undefined, signal ? { signal } : {});
    }
  }
  return {
    async publish(events, signal) {
      for (const event of events) await publishOne(event, signal);
    },
  };
}
