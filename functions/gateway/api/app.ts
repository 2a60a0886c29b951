import { OpenAPIHono } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { readConfig } from '../../_shared/config.ts';
import { KnarrError } from '../../_shared/errors.ts';
import { outsideCall } from '../../_shared/runtime/call.ts';
import { problemResponse } from '../../_shared/runtime/problem.ts';
import type { Caller, Logger } from '../../_shared/stage.ts';
import { createLogger } from '../../_shared/telemetry/log.ts';
import { childTraceparent, traceId } from '../../_shared/telemetry/trace.ts';
import type { Identity } from '../auth/identity.ts';
import type { GatewayDeps } from '../deps.ts';
import { limitKnobs } from '../knobs.ts';
import { slots } from '../slots.ts';
import { keyRoutes } from './admin-keys.ts';
import { quotaRoutes } from './admin-quotas.ts';
import { auditRoutes } from './audit.ts';
import { batchRoutes } from './batch.ts';
import { collectionRoutes } from './collections.ts';
import { deadLetterRoutes } from './dead-letters.ts';
import { documentEventRoutes } from './document-events.ts';
import { documentRoutes } from './documents.ts';
import { embeddingRoutes } from './embeddings.ts';
import { type Api, type ApiContext, BEARER } from './endpoint.ts';
import { eventRoutes } from './events.ts';
import { maintenanceRoutes } from './maintenance.ts';
import { openApi, pageRoutes } from './pages.ts';
import { queryRoutes } from './queries.ts';
import { ragRoutes } from './rag.ts';
import { searchRoutes } from './search.ts';

/** The public API (design: README.md of this folder), ready to be mounted beside the runtime's own routes. */
export function createApi(deps: GatewayDeps, log: Logger): Api {
  const api: Api = new OpenAPIHono();
  const { limits, stages } = deps;
  const streams = slots(limits.maxStreams, 'event streams');
  const options = { stages, log, defaultBudgetMs: limits.defaultBudgetMs };

  api.onError((thrown, c: ApiContext) => {
    const error = KnarrError.from(thrown);
    if (error.status >= 500) log.error({ err: error.cause ?? error, code: error.code }, error.message);
    const { call, action = c.req.method } = c.var;
    if (error.code === 'forbidden' && call) {
      deps.denials.record(error, { ...call, action, traceId: traceId(call.traceparent) });
    }
    return problemResponse(error);
  });
  api.notFound(() => problemResponse(new KnarrError('not_found', 'There is nothing at this path.')));
  api.openAPIRegistry.registerComponent('securitySchemes', BEARER, {
    type: 'http',
    scheme: 'bearer',
    description: 'An API key, or a JWT of the configured issuer. Without authentication, none is needed.',
  });
  api.use(serverTimingTotal, admission);

  documentRoutes(api, deps);
  documentEventRoutes(api, deps, streams, log);
  batchRoutes(api, deps, log);
  collectionRoutes(api, deps);
  searchRoutes(api, deps, options);
  ragRoutes(api, deps, { streams, options, log });
  queryRoutes(api, deps, streams, log);
  embeddingRoutes(api, deps);
  eventRoutes(api, deps);
  deadLetterRoutes(api, deps);
  maintenanceRoutes(api, deps);
  keyRoutes(api, deps);
  quotaRoutes(api, deps);
  auditRoutes(api, deps);
  pageRoutes(api);
  refuseOtherMethods(api);
  return api;
}

/** Who asks, as the runtime has admitted it, and in which trace. */
const admission: MiddlewareHandler<{ Variables: ApiContext['var'] & { caller?: Caller } }> = (c, next) => {
  // `admit` of the gateway gave it.
  const identity = c.get('caller') as Identity | undefined;
  if (identity) {
    const call = outsideCall(c.req.raw, identity);
    c.set('call', Object.assign(call, { traceparent: childTraceparent(call.traceparent) }));
  }
  return next();
};

/** Every answer says how long it took; a question's says it for each step. */
const serverTimingTotal: MiddlewareHandler = async (c, next) => {
  const startedAt = performance.now();
  await next();
  if (c.res.headers.has('server-timing')) return;
  c.header('server-timing', `total;dur=${(performance.now() - startedAt).toFixed(2)}`);
};

/** A known path with another method is 405 with `Allow`. */
function refuseOtherMethods(api: Api): void {
  // There the runtime answers, too.
  const allowed = new Map([['/', ['POST', 'OPTIONS']]]);
  for (const { method, path } of api.routes) {
    if (method !== 'ALL') allowed.set(path, [...(allowed.get(path) ?? []), method]);
  }
  for (const [path, methods] of allowed) {
    api.all(path, (c) => {
      const error = new KnarrError('method_not_allowed', `${c.req.method} is not allowed here.`);
      const response = problemResponse(error);
      response.headers.set('allow', methods.join(', '));
      return response;
    });
  }
}

/** The API's OpenAPI document, made without a running gateway: no handler is called. */
export function describeApi(): ReturnType<typeof openApi> {
  const limits = readConfig(limitKnobs, {});
  return openApi(createApi({ limits } as GatewayDeps, createLogger('silent')));
}
