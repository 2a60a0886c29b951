import { z } from '@hono/zod-openapi';
import type { Logger } from '../../_shared/stage.ts';
import { ENDED } from '../../_shared/stores/documents/records.ts';
import type { GatewayDeps } from '../deps.ts';
import type { Slots } from '../slots.ts';
import { documentView } from './document-view.ts';
import { DocumentParams, headOf, notFound } from './documents.ts';
import { type Api, endpoint } from './endpoint.ts';
import { eventStream, follow } from './stream.ts';

/** `GET …/{id}/events`: follows the version that is current when the stream opens until it has ended. */
export function documentEventRoutes(api: Api, deps: GatewayDeps, streams: Slots, log: Logger): void {
  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/documents/{id}/events',
      role: 'reader',
      tag: 'Documents',
      summary: 'Follow a document until its version has ended',
      description:
        'Events `state` with the document as its state shows it; `timeout` when the stream ends before the version does.',
      params: DocumentParams,
      answers: { 200: { description: 'Server-sent events.', content: { 'text/event-stream': z.string() } } },
    },
    async ({ c, call, params: { id = '' } }) => {
      const { version } = await headOf(deps, call, id);
      const { limits } = deps;
      const closing = deps.closing.signal;
      return eventStream(c, { closing, log, release: streams.take() }, (stream) =>
        follow(stream, limits.streamMs, async () => {
          // Meanwhile it may have been closed to the caller.
          const below = version + 1;
          const [record] = await deps.documents.history(call, id, { below, limit: 1 });
          if (!record) throw notFound();
          const view = documentView(record);
          const key = `${view.state} ${view.chunks} ${view.indexed_chunks}`;
          return { state: view, key, ended: ENDED.includes(view.state) };
        }),
      );
    },
  );
}
