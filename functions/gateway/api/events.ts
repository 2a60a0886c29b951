import { z } from '@hono/zod-openapi';
import { DocumentId } from '../../_shared/contracts.ts';
import { KnarrError } from '../../_shared/errors.ts';
import {
  type CloudEvent,
  EVENTS,
  type EventData,
  type EventName,
  eventName,
  eventType,
  MAX_EVENT_BYTES,
} from '../../_shared/events.ts';
import { readBody } from '../../_shared/runtime/body.ts';
import { readEvent } from '../../_shared/runtime/cloudevents.ts';
import { validate } from '../../_shared/runtime/problem.ts';
import { acceptEvent } from '../accept/event.ts';
import type { GatewayDeps } from '../deps.ts';
import { type Api, endpoint, writerOf } from './endpoint.ts';

/** What producers outside may say; everything else is said by the stages themselves. */
const ALLOWED: readonly EventName[] = ['document.submitted'];

const Attributes = z.object({
  specversion: z.literal('1.0'),
  id: z.string(),
  source: z.string(),
  type: z.literal(ALLOWED.map(eventType)),
});

/**
 * `POST /v1/events`: the way in for producers outside, one CloudEvent a request. Its document is accepted here and now:
 * what the answer promises hangs on no broker, and what cannot be accepted, by a quota for instance, is nobody's dead letter.
 */
export function eventRoutes(api: Api, deps: GatewayDeps): void {
  endpoint(
    api,
    {
      method: 'post',
      path: '/v1/events',
      role: 'writer',
      tag: 'Events',
      summary: 'Send an event to the pipeline',
      description: `A CloudEvent in binary or structured mode, of the types ${ALLOWED.map(eventType).join(', ')}. Its tenant is the caller's. The same \`source\` and \`id\` again accept nothing, nor does a \`time\` before that of the document's newest submission or deletion: the answer then names the version that stands.`,
      content: {
        'application/cloudevents+json': Attributes.extend({ data: EVENTS['document.submitted'] }),
        'application/json': EVENTS['document.submitted'],
      },
      answers: {
        202: {
          description: 'Its document is accepted durably, or what stands is the same or newer.',
          json: z.object({
            id: z.string().meta({ description: 'Of the event.' }),
            document: DocumentId,
            version: z.int(),
          }),
        },
      },
    },
    async ({ c, call }) => {
      const event = readEvent(c.req.raw.headers, await readBody(c.req.raw, MAX_EVENT_BYTES));
      // Who submits it is known already, whatever it says.
      const { submitter: _, ...data } = submitted(event);
      const { document, version } = await acceptEvent(event, data, writerOf(call), deps, call.signal);
      return c.json({ id: event.id, document, version }, 202);
    },
  );
}

function submitted({ type, data }: CloudEvent): EventData<'document.submitted'> {
  const name = eventName(type);
  if (!name || !ALLOWED.includes(name)) {
    throw new KnarrError('forbidden', `Only ${ALLOWED.map(eventType).join(', ')} may be sent from outside.`);
  }
  return validate(EVENTS['document.submitted'], data, 'The event data');
}
