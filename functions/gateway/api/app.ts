import { OpenAPIHono } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { readConfig } from '../../_shared/config.ts';
import { KnarrError } from '../../_shared/errors.ts';
import { readCall } from '../../_shared/runtime/call.ts';
import { problemResponse } from '../../_shared/runtime/problem.ts';
import type { Call, Logger } from '../../_shared/stage.ts';
import { createLogger } from '../../_shared/telemetry/log.ts';
import { childTraceparent } from '../../_shared/telemetry/trace.ts';
import type { GatewayDeps } from '../deps.ts';
import { limitKnobs } from '../knobs.ts';
import { slots } from '../slots.ts';
import { batchRoutes } from './batch.ts';
import { collectionRoutes } from './collections.ts';
import { deadLetterRoutes } from './dead-letters.ts';
import { documentEventRoutes } from './document-events.ts';
import { documentRoutes } from './documents.ts';
import { embeddingRoutes } from './embeddings.ts';
import type { Api } from './endpoint.ts';
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
  const questions = slots(limits.maxQuestions, 'questions');
  const streams = slots(limits.maxStreams, 'event streams');
  const options = { stages, log, defaultBudgetMs: limits.defaultBudgetMs };

  api.onError((thrown) => {
    const error = KnarrError.from(thrown);
    if (error.status >= 500) log.error({ err: error.cause ?? error, code: error.code }, error.message);
    return problemResponse(error);
  });
  api.notFound(() => problemResponse(new KnarrError('not_found', 'There is nothing at this path.')));
  api.use(serverTimingTotal, admission(deps));

  documentRoutes(api, deps);
  documentEventRoutes(api, deps, streams, log);
  batchRoutes(api, deps, log);
  collectionRoutes(api, deps);
  searchRoutes(api, deps, questions, options);
  ragRoutes(api, deps, { questions, streams, options, log });
  queryRoutes(api, deps, streams, log);
  embeddingRoutes(api, deps, questions);
  eventRoutes(api, deps);
  deadLetterRoutes(api, deps);
  maintenanceRoutes(api, deps);
  pageRoutes(api);
  refuseOtherMethods(api);
  return api;
}

/** Who asks, until when, and in which trace. */
function admission(deps: GatewayDeps): MiddlewareHandler<{ Variables: { call: Call } }> {
  return async (c, next) => {
    const request = c.req.raw;
    const caller = await deps.authenticate(request);
    const call = readCall(request);
    c.set('call', { ...call, ...caller, traceparent: childTraceparent(call.traceparent) });
    await next();
  };
}

/** Every answer says how long it took; a question's says it for each step. */
const serverTimingTotal: MiddlewareHandler = async (c, next) => {
  const startedAt = performance.now();
  await next();
  if (c.res.headers.has('server-timing')) return;
  c.header('server-timing', `total;dur=${(performance.now() - startedAt).toFixed(2)}`);
};

/** A known path with another method is 405 with `Allow`. */
function refuseOtherMethods(api: Api): void {
  const allowed = new Map<string, string[]>();
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
