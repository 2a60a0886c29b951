import { z } from '@hono/zod-openapi';
import { EmbedInput } from '../../_shared/contracts.ts';
import { KnarrError } from '../../_shared/errors.ts';
import { validate } from '../../_shared/runtime/problem.ts';
import type { Call } from '../../_shared/stage.ts';
import { decodeVector } from '../../_shared/vectors.ts';
import type { GatewayDeps } from '../deps.ts';
import { type Api, endpoint, readJson } from './endpoint.ts';
import { OpenAiError, openAiError } from './openai.ts';

const Text = z.string().min(1).max(1_000_000);

const EmbeddingRequest = z
  .strictObject({
    input: z
      .union([Text, z.array(Text).min(1).max(2048)], { error: 'expected a text or 1 to 2048 texts' })
      .meta({ examples: ['A knarr is a cargo ship of the Norse.'] }),
    model: z.string().optional().meta({ description: 'One of `GET /v1/models`; the only one by default.' }),
    encoding_format: z.enum(['float', 'base64']).default('float'),
    dimensions: z.int().optional().meta({ description: "The model's own; others are refused." }),
    user: z.string().optional(),
    input_type: EmbedInput.shape.kind.meta({
      description: 'Not part of the OpenAI API: some models embed a question otherwise than a passage.',
    }),
  })
  .meta({ id: 'EmbeddingRequest' });
type EmbeddingRequest = z.infer<typeof EmbeddingRequest>;

const EmbeddingList = z
  .object({
    object: z.literal('list'),
    data: z.array(
      z.object({
        object: z.literal('embedding'),
        index: z.int(),
        embedding: z
          .union([z.array(z.number()), z.string()])
          .meta({ description: 'Numbers, or base64 of little-endian float32.' }),
      }),
    ),
    model: z.string(),
    usage: z.object({ prompt_tokens: z.int(), total_tokens: z.int() }),
  })
  .meta({ id: 'EmbeddingList' });

const tag = 'OpenAI-compatible';
const REFUSED = { description: 'Refused.', json: OpenAiError };

export function embeddingRoutes(api: Api, deps: GatewayDeps): void {
  endpoint(
    api,
    {
      method: 'post',
      path: '/v1/embeddings',
      role: 'reader',
      tag,
      summary: 'Embed texts',
      content: { 'application/json': EmbeddingRequest },
      answers: { 200: { description: 'One vector a text.', json: EmbeddingList }, '4XX': REFUSED },
    },
    async ({ c, call }) => {
      const room = deps.bodies.open();
      try {
        const request = validate(
          EmbeddingRequest,
          await readJson(c, deps.limits.maxEmbeddingBytes, room),
          'The body',
        );
        const deadline = Date.now() + deps.limits.defaultBudgetMs;
        const release = await deps.quotas.question({ ...call, deadline });
        try {
          return c.json(await embed(request, { ...call, deadline }, deps));
        } finally {
          release();
        }
      } catch (thrown) {
        return openAiError(thrown);
      } finally {
        room.end();
      }
    },
  );

  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/models',
      role: 'reader',
      tag,
      summary: 'List models',
      answers: {
        200: {
          description: 'The embedding model.',
          json: z.object({
            object: z.literal('list'),
            data: z.array(
              z.object({
                id: z.string(),
                object: z.literal('model'),
                created: z.int(),
                owned_by: z.string(),
              }),
            ),
          }),
        },
      },
    },
    ({ c }) => {
      const model = { id: deps.generation.model, object: 'model' as const, created: 0, owned_by: 'knarr' };
      return c.json({ object: 'list' as const, data: [model] });
    },
  );
}

async function embed(request: EmbeddingRequest, call: Call, deps: GatewayDeps) {
  const { model, dimensions } = deps.generation;
  if (request.model !== undefined && request.model !== model) {
    throw new KnarrError('not_found', `There is no model ${request.model.slice(0, 80)}; there is ${model}.`, {
      details: { param: 'model', openai: 'model_not_found' },
    });
  }
  if (request.dimensions !== undefined && request.dimensions !== dimensions) {
    throw new KnarrError('invalid_request', `${model} has ${dimensions} dimensions.`, {
      details: { param: 'dimensions' },
    });
  }
  const texts = [request.input].flat();
  const output = await deps.stages.embed({ texts, kind: request.input_type }, call);
  const [cut] = output.truncated;
  if (cut !== undefined) {
    throw new KnarrError(
      'invalid_request',
      `Text ${cut} has ${output.tokens[cut]} tokens, more than ${model} reads.`,
      {
        details: { param: 'input', openai: 'context_length_exceeded' },
      },
    );
  }
  const total = output.tokens.reduce((sum, tokens) => sum + tokens, 0);
  return {
    object: 'list' as const,
    data: output.vectors.map((vector, index) => ({
      object: 'embedding' as const,
      index,
      embedding: request.encoding_format === 'base64' ? vector : Array.from(decodeVector(vector)),
    })),
    model: output.model,
    usage: { prompt_tokens: total, total_tokens: total },
  };
}
