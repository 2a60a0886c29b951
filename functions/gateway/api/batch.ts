import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { z } from '@hono/zod-openapi';
import { DocumentId } from '../../_shared/contracts.ts';
import { KnarrError } from '../../_shared/errors.ts';
import { parseJson } from '../../_shared/json.ts';
import { bodyStream, decodeUtf8 } from '../../_shared/runtime/body.ts';
import { problemOf, validate } from '../../_shared/runtime/problem.ts';
import type { Logger } from '../../_shared/stage.ts';
import { accept, readSubmission } from '../accept/accept.ts';
import { type Line, splitLines } from '../accept/lines.ts';
import { Submission } from '../accept/submission.ts';
import { admit, identify } from '../admit.ts';
import type { Identity } from '../auth/identity.ts';
import type { GatewayDeps } from '../deps.ts';
import type { Room } from '../limits/bodies.ts';
import { Accepted, acceptedView } from './document-view.ts';
import { type Api, type ApiCall, auditOf, endpoint, Problem, requireRole, writerOf } from './endpoint.ts';

const PATH = '/v1/documents:batch';
const ROLE = 'writer';
const BATCH_TYPES = ['application/x-ndjson', 'application/ndjson', 'application/jsonl'];

/** Results that may wait for a client that sends before it reads, bytes; some ten thousand lines. */
const RESULT_BUFFER_BYTES = 2 * 1024 * 1024;

const BatchLine = Submission.safeExtend({ id: DocumentId.optional() }).meta({
  id: 'BatchLine',
  examples: [{ id: 'ships', text: 'A knarr is a cargo ship of the Norse.' }],
});
const BatchResult = z
  .object({
    line: z.int().meta({ description: 'Line of the request, from 1.' }),
    status: z.int().meta({ description: 'As the same document alone would have been answered.' }),
    retry_after: z.int().optional().meta({ description: 'Seconds after which to send the line again.' }),
    ...Accepted.partial().shape,
    error: Problem.optional(),
  })
  .meta({ id: 'BatchResult' });
type BatchResult = z.infer<typeof BatchResult>;

/** `POST /v1/documents:batch`: any number of documents, each accepted by itself and in order. */
export function batchRoutes(api: Api, deps: GatewayDeps, log: Logger): void {
  endpoint(
    api,
    {
      method: 'post',
      path: PATH,
      role: ROLE,
      tag: 'Documents',
      summary: 'Add many documents',
      description: `One document a line in (a submission with an optional \`id\`), one result a line out, in the same order and streamed: read while you send. Each line counts as a request, and is written by whoever the token stands for by then. A line that is refused stops no other, but one with 401 is the last: the token has been revoked or has expired.`,
      content: Object.fromEntries(BATCH_TYPES.map((type) => [type, BatchLine])),
      answers: {
        200: { description: 'One result a line.', content: { 'application/x-ndjson': BatchResult } },
      },
    },
    ({ c, call }) => {
      const [type = ''] = (c.req.header('content-type') ?? '').toLowerCase().split(';');
      if (!BATCH_TYPES.includes(type.trim())) {
        throw new KnarrError('unsupported_media_type', `The body must be ${BATCH_TYPES.join(' or ')}.`);
      }
      const results = Readable.from(acceptLines(c.req.raw, call, deps, log), {
        objectMode: false,
        highWaterMark: RESULT_BUFFER_BYTES,
      });
      return c.body(Readable.toWeb(results) as ReadableStream, 200, {
        'content-type': 'application/x-ndjson',
      });
    },
  );
}

async function* acceptLines(request: Request, call: ApiCall, deps: GatewayDeps, log: Logger) {
  const maxLine = deps.limits.maxBatchLineBytes;
  const source = bodyStream(request, Number.POSITIVE_INFINITY);
  const room = deps.bodies.open();
  // The first line is the request that was counted when the batch began.
  let admitLine = identify;
  for await (const line of splitLines(source, maxLine, room)) {
    if (deps.closing.signal.aborted || call.signal.aborted) return;
    const result = await admitLine(request, deps)
      .then((identity) => acceptLine(line, identity, call, deps, room))
      .catch((thrown): BatchResult => {
        const error = KnarrError.from(thrown);
        if (error.code === 'internal') log.error({ err: thrown }, 'a line of a batch failed');
        if (error.code === 'forbidden')
          deps.denials.record(error, { ...auditOf(call), action: `POST ${PATH}` });
        return refusalOf(line, error);
      });
    yield `${JSON.stringify(result)}\n`;
    if (result.status === 401) return;
    admitLine = admit;
  }
}

/**
 * The caller is whoever the token stands for by now: a batch may be open for longer than a key holds. What is read from
 * a URI takes room beside the line's, until the next line is asked for.
 */
async function acceptLine(
  line: Line,
  identity: Identity | undefined,
  { traceparent, signal }: ApiCall,
  deps: GatewayDeps,
  room: Room,
): Promise<BatchResult> {
  if (!identity) throw new KnarrError('unauthenticated', 'A bearer token is needed.');
  requireRole(identity, ROLE);
  if ('refusal' in line) throw line.refusal;
  const { id, ...submission } = validate(BatchLine, parseJson(decodeUtf8(line.bytes)), 'The line');
  const incoming = await readSubmission(submission, deps, room, signal);
  const acceptance = await accept(id ?? randomUUID(), incoming, writerOf({ ...identity, traceparent }), deps);
  return { line: line.number, status: acceptance.created ? 202 : 200, ...acceptedView(acceptance) };
}

const refusalOf = ({ number: line }: Line, error: KnarrError): BatchResult => ({
  line,
  status: error.status,
  ...(error.retryAfter !== undefined && { retry_after: Math.ceil(error.retryAfter) }),
  error: problemOf(error),
});
