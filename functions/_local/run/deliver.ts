import type { RunningStage } from '../../_shared/runtime/run.ts';
import type { Deliver } from '../broker/delivery.ts';

/** A Service's address in its cluster. */
const SERVICE = /^([^.]+)\.[^.]+\.svc\.cluster\.local$/;

/** Delivers to a Service's stage in this process, and to every other address by HTTP. */
export function deliverTo(running: ReadonlyMap<string, Pick<RunningStage, 'fetch'>>): Deliver {
  return async (url, request) => {
    const [, name] = SERVICE.exec(new URL(url).hostname) ?? [];
    // A redirect is an answer: a Broker does not follow it.
    if (name === undefined) return fetch(request, { redirect: 'manual' });
    return running.get(name)?.fetch(request, { inside: true }) ?? new Response(null, { status: 404 });
  };
}
