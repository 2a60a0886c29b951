import { z } from '@hono/zod-openapi';
import { CollectionName } from '../../_shared/contracts.ts';
import type { GatewayDeps } from '../deps.ts';
import { type Api, endpoint } from './endpoint.ts';

const Collection = z
  .object({
    collection: CollectionName,
    documents: z.int(),
    generation: z.string().meta({ description: 'Index generation: model, dimensions and chunking.' }),
    rebuilding: z
      .int()
      .meta({ description: 'Documents that have moved to this generation and are not in it yet.' }),
  })
  .meta({ id: 'Collection' });

export function collectionRoutes(api: Api, deps: GatewayDeps): void {
  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/collections',
      role: 'reader',
      tag: 'Documents',
      summary: 'List collections',
      answers: {
        200: { description: 'All of them.', json: z.object({ collections: z.array(Collection) }) },
      },
    },
    async ({ c, call }) => c.json({ collections: await deps.documents.collections(call) }),
  );
}
