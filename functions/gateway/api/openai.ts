import { z } from '@hono/zod-openapi';
import { KnarrError } from '../../_shared/errors.ts';
import { problemResponse } from '../../_shared/runtime/problem.ts';

/** An error as OpenAI's API answers it, so that its client libraries can read it. */
export const OpenAiError = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z.string().nullable(),
    }),
  })
  .meta({ id: 'OpenAiError' });

/** The same status and headers as everywhere, with a body in OpenAI's shape. */
export function openAiError(thrown: unknown): Response {
  const error = KnarrError.from(thrown);
  const { status, headers } = problemResponse(error);
  const [issue] = (error.details.errors as { path: string }[] | undefined) ?? [];
  const param = error.details.param ?? issue?.path;
  const body = {
    error: {
      message: error.message,
      type: status < 500 ? 'invalid_request_error' : 'server_error',
      param: typeof param === 'string' && param !== '' ? param : null,
      code: typeof error.details.openai === 'string' ? error.details.openai : error.code,
    },
  };
  headers.set('content-type', 'application/json');
  return new Response(JSON.stringify(body), { status, headers });
}
