import { checkReading } from '../auth/identity.ts';
import type { GatewayDeps } from '../deps.ts';
import { type PipelineOptions, search, within } from '../rag/pipeline.ts';
import { SearchAnswer, SearchRequest } from '../rag/question.ts';
import { type Api, endpoint } from './endpoint.ts';
import { serverTiming } from './timing.ts';

export function searchRoutes(api: Api, deps: GatewayDeps, options: PipelineOptions): void {
  endpoint(
    api,
    {
      method: 'post',
      path: '/v1/search',
      role: 'reader',
      tag: 'Questions',
      summary: 'Find passages',
      json: SearchRequest,
      maxBytes: deps.limits.maxQuestionBytes,
      answers: { 200: { description: 'Passages, best first.', json: SearchAnswer } },
    },
    async ({ c, json, call }) => {
      checkReading(call, json.collection);
      const question = within(json, call, options);
      const release = await deps.quotas.question(question);
      try {
        const found = await search(json, question, options);
        c.header('server-timing', serverTiming(found.timings));
        return c.json(found);
      } finally {
        release();
      }
    },
  );
}
