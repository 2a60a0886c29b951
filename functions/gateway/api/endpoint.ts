import type { RouteConfig } from '@hono/zod-openapi';
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { KnarrError } from '../../_shared/errors.ts';
import { parseJson } from '../../_shared/json.ts';
import { decodeUtf8, readBody } from '../../_shared/runtime/body.ts';
import { validate } from '../../_shared/runtime/problem.ts';
import type { Call } from '../../_shared/stage.ts';
import type { Role } from '../../_shared/stores/access/port.ts';
import { traceId } from '../../_shared/telemetry/trace.ts';
import type { Writer } from '../accept/writer.ts';
import { type Identity, includesRole } from '../auth/identity.ts';
import type { Room } from '../limits/bodies.ts';

/** A call of the API: by whom, in which trace. */
export type ApiCall = Call & Identity;
interface Variables {
  /** Set when the caller is known; the pages need none. */
  call?: ApiCall;
  /** The call as the audit log names it: method and path template. */
  action?: string;
}
export type Api = OpenAPIHono<{ Variables: Variables }>;
export type ApiContext = Context<{ Variables: Variables }>;

/** RFC 9457 problem details, as every refusal is answered. */
export const Problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string().meta({ description: 'Stable name of the error.' }),
    detail: z.string(),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .meta({ description: 'What is wrong with the input, by path.' }),
  })
  .meta({ id: 'Problem' });

type Content = Record<string, z.ZodType>;

/** One call of the API: what is documented is what is validated. */
export interface Endpoint<Q extends z.ZodType, B extends z.ZodType> {
  method: 'get' | 'put' | 'post' | 'patch' | 'delete';
  /** With parameters in braces: `/v1/documents/{id}`. */
  path: string;
  /** What the caller must be, at least. */
  role: Role;
  tag: string;
  summary: string;
  description?: string;
  params?: z.ZodObject;
  query?: Q;
  headers?: z.ZodObject;
  /** JSON body. */
  json?: B;
  /** Largest JSON body, bytes. */
  maxBytes?: number;
  /** Bodies that the handler reads by itself. */
  content?: Content;
  answers: Record<number | `${number}XX`, { description: string; json?: z.ZodType; content?: Content }>;
}

export interface Received<Q, B> {
  c: ApiContext;
  call: ApiCall;
  /** Path parameters, decoded once: they may hold slashes. */
  params: Record<string, string>;
  query: Q;
  json: B;
}

/**
 * Mounts a call and documents it. Its handler runs only for callers with its role, and only with valid input; anything
 * else is answered `invalid_request` with the path of what is wrong.
 */
export function endpoint<Q extends z.ZodType = z.ZodUndefined, B extends z.ZodType = z.ZodUndefined>(
  api: Api,
  spec: Endpoint<Q, B>,
  handler: (received: Received<z.infer<Q>, z.infer<B>>) => Response | Promise<Response>,
): void {
  api.openAPIRegistry.registerPath(documented(spec));
  api.on(spec.method.toUpperCase(), spec.path.replaceAll(/\{(\w+)\}/g, ':$1'), async (c) => {
    c.set('action', `${spec.method.toUpperCase()} ${spec.path}`);
    const call = c.get('call');
    if (!call) throw new KnarrError('unauthenticated', 'A bearer token is needed.');
    requireRole(call, spec.role);
    const params = pathParameters(spec.path, c.req.url);
    if (spec.params) validate(spec.params, params, 'The path');
    const query = spec.query ? validate(spec.query, queryParameters(c.req.url), 'The query') : undefined;
    const json = spec.json ? validate(spec.json, await readJson(c, spec.maxBytes), 'The body') : undefined;
    return handler({
      c,
      call,
      params,
      query: query as z.infer<Q>,
      json: json as z.infer<B>,
    });
  });
}

const missing = (what: string) =>
  new KnarrError('forbidden', `This needs ${what}.`, {
    headers: { 'www-authenticate': 'Bearer error="insufficient_scope"' },
  });

/** Throws `forbidden` for a caller without this role. */
export function requireRole({ role }: Identity, needed: Role): void {
  if (!includesRole(role, needed)) throw missing(`the role ${needed}`);
}

/** Who writes, as {@link accept} wants to know it. */
export const writerOf = (caller: Identity & Pick<Call, 'traceparent'>): Writer => ({
  tenant: caller.tenant,
  actor: caller.actor,
  traceparent: caller.traceparent,
  caller,
});

/** Who acts, as the audit log names it. */
export const auditOf = ({ tenant, actor, traceparent }: ApiCall) => ({
  tenant,
  actor,
  traceId: traceId(traceparent),
});

/** Throws `forbidden` unless the caller may administer every tenant. */
export function requireOperator(call: ApiCall): void {
  if (!call.isOperator) throw missing('an admin of the operator’s tenant (KNARR_OPERATOR_TENANT)');
}

const DEFAULT_MAX_BYTES = 1024 * 1024;

/** The request's JSON body, for which it takes room. Throws `unsupported_media_type`, `too_large` and `invalid_request`. */
export async function readJson(
  c: ApiContext,
  maxBytes = DEFAULT_MAX_BYTES,
  room?: Pick<Room, 'grow'>,
): Promise<unknown> {
  const [type = ''] = (c.req.header('content-type') ?? '').split(';');
  if (!/^application\/([\w.-]+\+)?json$/i.test(type.trim())) {
    throw new KnarrError('unsupported_media_type', 'The body must be application/json.');
  }
  return parseJson(decodeUtf8(await readBody(c.req.raw, maxBytes, room?.grow)));
}

/** A whole number in a query string. */
export const queryInteger = (min: number, max: number, fallback: number) =>
  z
    .string()
    .regex(/^\d+$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.int().min(min).max(max))
    .default(fallback)
    .openapi({ type: 'integer', minimum: min, maximum: max });

/** Name of the security scheme in the OpenAPI document. */
export const BEARER = 'bearer';

// From the URL itself and not from the router, which decodes some characters twice.
function pathParameters(template: string, url: string): Record<string, string> {
  const segments = new URL(url).pathname.split('/');
  const params: Record<string, string> = {};
  for (const [index, part] of template.split('/').entries()) {
    if (!part.startsWith('{')) continue;
    try {
      params[part.slice(1, -1)] = decodeURIComponent(segments[index] ?? '');
    } catch (cause) {
      throw new KnarrError('invalid_request', 'The path is not valid percent-encoded UTF-8.', { cause });
    }
  }
  return params;
}

function queryParameters(url: string): Record<string, string | string[]> {
  const { searchParams } = new URL(url);
  const values = new Map([...searchParams.keys()].map((name) => [name, searchParams.getAll(name)]));
  return Object.fromEntries(
    [...values].map(([name, all]) => [name, all.length === 1 ? (all[0] ?? '') : all]),
  );
}

function documented<Q extends z.ZodType, B extends z.ZodType>(spec: Endpoint<Q, B>): RouteConfig {
  const media = (content: Content) =>
    Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema }]));
  const body = { ...(spec.json && { 'application/json': spec.json }), ...spec.content };
  const responses = Object.entries(spec.answers).map(([status, { description, json, content }]) => [
    status,
    { description, content: media({ ...(json && { 'application/json': json }), ...content }) },
  ]);
  return {
    method: spec.method,
    path: spec.path,
    tags: [spec.tag],
    summary: spec.summary,
    description: [...(spec.description ? [spec.description] : []), `Role: \`${spec.role}\`.`].join('\n\n'),
    security: [{ [BEARER]: [] }],
    request: {
      ...(spec.params && { params: spec.params }),
      ...(spec.query && { query: spec.query as unknown as z.ZodObject }),
      ...(spec.headers && { headers: spec.headers }),
      ...(Object.keys(body).length > 0 && { body: { required: true, content: media(body) } }),
    },
    responses: {
      ...Object.fromEntries(responses),
      default: { description: 'Refused.', content: { 'application/problem+json': { schema: Problem } } },
    },
  };
}
