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
import type { GatewayDeps } from '../deps.ts';
import type { Room } from '../limits/bodies.ts';
import { Accepted, acceptedView } from './document-view.ts';
import { type Api, type ApiCall, endpoint, Problem, writerOf } from './endpoint.ts';

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
      path: '/v1/documents:batch',
      role: 'writer',
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
  // The request itself was counted: that is its first line's.
  let admitLine = identify;
  for await (const line of splitLines(source, maxLine, room)) {
    if (deps.closing.signal.aborted || call.signal.aborted) return;
    try {
      const caller = await admitLine(request, deps);
      yield json(await acceptLine(line, { ...call, ...caller }, deps, room));
    } catch (thrown) {
      const error = KnarrError.from(thrown);
      if (error.code === 'internal') log.error({ err: thrown }, 'a line of a batch failed');
      yield json(refusalOf(line, error));
      if (error.code === 'unauthenticated') return;
    }
    admitLine = admit;
  }
}
