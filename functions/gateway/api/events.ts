import { z } from '@hono/zod-openapi';
import { KnarrError } from '../../_shared/errors.ts';
import {
  type CloudEvent,
  EVENTS,
  type EventName,
  eventName,
  eventType,
  MAX_EVENT_BYTES,
} from '../../_shared/events.ts';
import { readBody } from '../../_shared/runtime/body.ts';
import { readEvent } from '../../_shared/runtime/cloudevents.ts';
import { validate } from '../../_shared/runtime/problem.ts';
import { checkReach } from '../accept/writer.ts';
import type { GatewayDeps } from '../deps.ts';
import { type Api, type ApiCall, auditOf, endpoint, writerOf } from './endpoint.ts';

/** What producers outside may say; everything else is said by the stages themselves. */
const ALLOWED: readonly EventName[] = ['document.submitted'];

const Attributes = z.object({
  specversion: z.literal('1.0'),
  id: z.string(),
  source: z.string(),
  type: z.literal(ALLOWED.map(eventType)),
});

/** `POST /v1/events`: the Broker's ingress for producers outside, one CloudEvent a request. */
export function eventRoutes(api: Api, deps: GatewayDeps): void {
  endpoint(
    api,
    {
      method: 'post',
      path: '/v1/events',
      role: 'writer',
      tag: 'Events',
      summary: 'Send an event to the pipeline',
      description: `A CloudEvent in binary or structured mode, of the types ${ALLOWED.map(eventType).join(', ')}. Its tenant is the caller's.`,
      content: {
        'application/cloudevents+json': Attributes.extend({ data: EVENTS['document.submitted'] }),
        'application/json': EVENTS['document.submitted'],
      },
      answers: { 202: { description: 'The Broker has it.', json: z.object({ id: z.string() }) } },
    },
    async ({ c, call }) => {
      const event = admitted(readEvent(c.req.raw.headers, await readBody(c.req.raw, MAX_EVENT_BYTES)), call);
      await deps.publisher.publish([event], call.signal);
      await deps.access.audit([{ ...auditOf(call), action: 'event.submit', target: event.subject }]);
      return c.json({ id: event.id }, 202);
    },
  );
}

/** The event as it enters the pipeline: only attributes that a producer may set, the caller's tenant, and its rights. */
function admitted(event: CloudEvent, call: ApiCall): CloudEvent {
  const { tenant, traceparent, actor, principals, collections } = call;
  const name = eventName(event.type);
  if (!name || !ALLOWED.includes(name)) {
    throw new KnarrError('forbidden', `Only ${ALLOWED.map(eventType).join(', ')} may be sent from outside.`);
  }
  const data = validate(EVENTS[name] as (typeof EVENTS)['document.submitted'], event.data, 'The event data');
  checkReach(data.collection ?? 'default', writerOf(call));
  const submitter = {
    actor,
    principals: [...principals],
    ...(collections && { collections: [...collections] }),
  };
  const admittedEvent: CloudEvent = {
    specversion: '1.0',
    id: event.id,
    source: event.source,
    type: event.type,
    subject: data.document,
    ...(event.time !== undefined && { time: event.time }),
    datacontenttype: 'application/json',
    tenant,
    partitionkey: `${tenant}/${data.document}`,
    ...(traceparent && { traceparent }),
    data: { ...data, submitter },
  };
  if (Buffer.byteLength(JSON.stringify(admittedEvent)) > MAX_EVENT_BYTES) {
    throw new KnarrError(
      'too_large',
      `With its submitter the event is larger than ${MAX_EVENT_BYTES} bytes.`,
    );
  }
  return admittedEvent;
}
