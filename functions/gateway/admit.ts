import { KnarrError } from '../_shared/errors.ts';
import { traceId } from '../_shared/telemetry/trace.ts';
import { type Identity, LOCAL_CALLER } from './auth/identity.ts';
import type { GatewayDeps } from './deps.ts';
import { refuseStrangers } from './guard.ts';

/**
 * Who asks: by its bearer token, or whoever may reach this port where there is no authentication. Counts the request of
 * its tenant, and refuses a question for which there is no place before it is even read. Undefined for the pages, which
 * are for everybody and show nothing of anybody.
 */
export async function admit(request: Request, deps: GatewayDeps): Promise<Identity | undefined> {
  const identity = await identify(request, deps);
  if (identity) await deps.quotas.request(identity.tenant);
  if (identity && isQuestion(request)) deps.quotas.checkQuestion(identity.tenant);
  return identity;
}

/** Whether it is answered while its caller waits. */
function isQuestion({ method, url, headers }: Request): boolean {
  return method === 'POST' && QUESTIONS.test(url) && !headers.has('prefer');
}
const QUESTIONS = /^https?:\/\/[^/]+\/(v1\/search|v1\/rag|rag)?(\?|$)/;

/** Who asks, without counting it. */
export async function identify(
  request: Request,
  { authenticator, denials }: GatewayDeps,
): Promise<Identity | undefined> {
  if (!authenticator) {
    refuseStrangers(request);
    return LOCAL_CALLER;
  }
  if (isPage(request)) return undefined;
  const verified = await authenticator.verify(request);
  if (!verified.refusal) return verified.identity;
  const { refusal, tenant, actor } = verified;
  const trace = traceId(request.headers.get('traceparent') ?? undefined);
  denials.record(refusal, { tenant, actor, action: 'authenticate', traceId: trace });
  throw refusal;
}

/** Start page, documentation and what they load: everything that is read outside the API. */
function isPage({ method, url }: Request): boolean {
  const { pathname } = new URL(url);
  return (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') && !pathname.startsWith('/v1/');
}

/** Events for the gateway come from the Broker. */
export async function admitEvent(request: Request, { authenticator, denials }: GatewayDeps): Promise<void> {
  if (!authenticator) return refuseStrangers(request);
  try {
    await authenticator.verifyEvent(request);
  } catch (thrown) {
    const error = KnarrError.from(thrown);
    if (error.code !== 'unavailable') denials.record(error, { action: 'event' });
    throw error;
  }
}
