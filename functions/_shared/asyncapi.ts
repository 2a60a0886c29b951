import { z } from 'zod';
import packageJson from '../../package.json' with { type: 'json' };
import { GenerateOutput, Hit, Metadata, Passage } from './contracts.ts';
import { EVENTS, type EventName, eventType, MAX_EVENT_BYTES } from './events.ts';
import { Filter } from './filter.ts';
import type { EventBinding, Stage } from './stage.ts';
import { EVENT_PROOF } from './stage-key.ts';

/** What a stage declares about its events. */
export type Speaker = Pick<Stage<never>, 'name' | 'summary' | 'on' | 'emits'>;

/** Who says a type and who takes it, by stage name. */
export interface Flow {
  from: string[];
  to: string[];
}

export function flowOf(name: EventName, stages: readonly Speaker[]): Flow {
  const bindings = (stage: Speaker) => Object.values(stage.on) as EventBinding<never, EventName>[];
  const says = (stage: Speaker) =>
    stage.emits?.includes(name) || bindings(stage).some(({ produces }) => produces.includes(name));
  return {
    from: stages.filter(says).map((stage) => stage.name),
    to: stages.filter((stage) => Object.hasOwn(stage.on, name)).map((stage) => stage.name),
  };
}

type Json = Record<string, unknown>;
export interface AsyncApi {
  asyncapi: '3.0.0';
  info: Json;
  defaultContentType: string;
  servers: Record<string, Json>;
  channels: Record<string, Json>;
  operations: Record<string, Json>;
  components: { messages: Record<string, Json>; schemas: Record<string, Json> };
}

/**
 * The event catalogue as AsyncAPI 3.0: one channel for each event type, one operation for each stage that says or takes
 * it.
 */
export function describeEvents(stages: readonly Speaker[]): AsyncApi {
  const names = Object.keys(EVENTS) as EventName[];
  const each = <T>(make: (name: EventName) => T) =>
    Object.fromEntries(names.map((name) => [name, make(name)])) as Record<EventName, T>;
  const { schemas, descriptions } = dataSchemas();
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Knarr events',
      version: packageJson.version,
      license: { name: packageJson.license, url: 'https://www.apache.org/licenses/LICENSE-2.0' },
      description: `CloudEvents 1.0 over HTTP, through a Knative Broker: stages publish to its ingress, and a Trigger for each pair of type and stage delivers to the stage. A channel here is an event type. An event is delivered at least once, in any order; its \`id\` is derived from what it says, so a repeated one is recognisable. Events stay under ${MAX_EVENT_BYTES / 1024} KiB.`,
    },
    defaultContentType: 'application/json',
    servers: {
      broker: {
        host: 'broker-ingress.knative-eventing.svc.cluster.local',
        pathname: '/{namespace}/{broker}',
        protocol: 'http',
        description: "The Broker's ingress, as K_SINK names it. One process has a Broker of its own inside.",
        variables: { namespace: { default: 'knarr' }, broker: { default: 'default' } },
      },
    },
    channels: each((name) => ({
      address: eventType(name),
      description: descriptions[name],
      messages: { [name]: { $ref: `#/components/messages/${name}` } },
    })),
    operations: Object.assign({}, ...names.map((name) => operations(name, stages))),
    components: {
      messages: each((name) => ({
        name: eventType(name),
        contentType: 'application/json',
        summary: descriptions[name],
        headers: {
          allOf: [
            { $ref: '#/components/schemas/EventAttributes' },
            { type: 'object', properties: { 'ce-type': { const: eventType(name) } } },
          ],
        },
        payload: { $ref: `#/components/schemas/${name}` },
      })),
      schemas: { EventAttributes: EVENT_ATTRIBUTES, ...schemas },
    },
  };
}

function operations(name: EventName, stages: readonly Speaker[]): Record<string, Json> {
  const { from, to } = flowOf(name, stages);
  const operation = (action: 'send' | 'receive', stage: string) => [
    `${stage}.${action}.${name}`,
    {
      action,
      channel: { $ref: `#/channels/${name}` },
      summary: stages.find((one) => one.name === stage)?.summary,
      tags: [{ name: stage }],
      messages: [{ $ref: `#/channels/${name}/messages/${name}` }],
      bindings: { http: { method: 'POST', bindingVersion: '0.3.0' } },
    },
  ];
  return Object.fromEntries([
    ...from.map((stage) => operation('send', stage)),
    ...to.map((stage) => operation('receive', stage)),
  ]);
}

const text = (description: string, more: Json = {}) => ({ type: 'string', description, ...more });

/** The attributes of an event as headers of the binary content mode. */
const EVENT_ATTRIBUTES: Json = {
  type: 'object',
  description:
    'Context attributes in binary content mode; in structured mode they stand in the body without `ce-`.',
  required: ['ce-specversion', 'ce-id', 'ce-source', 'ce-type'],
  properties: {
    'ce-specversion': { const: '1.0' },
    'ce-id': text('Derived from tenant, type, subject and data.'),
    'ce-source': text('`/knarr/<stage>`, or what a producer outside calls itself.', {
      format: 'uri-reference',
    }),
    'ce-type': text('One of the types here.'),
    'ce-subject': text("The document's or the question's id."),
    'ce-time': text('When it was said.', { format: 'date-time' }),
    'ce-tenant': text('Whose it is.'),
    'ce-partitionkey': text('Tenant and subject.'),
    'ce-traceparent': text('W3C trace context.'),
    'ce-tracestate': text('W3C trace context.'),
    'ce-deadline': text('When a question has become pointless.', { format: 'date-time' }),
    'ce-correlationid': text("The question's id, all along its way."),
    [`ce-${EVENT_PROOF}`]: text('Proof by KNARR_STAGE_KEY that a stage has said it.'),
  },
};

/** JSON Schemas (draft 7, as AsyncAPI has them) of every event's data and of what they share, by component name. */
function dataSchemas(): { schemas: Record<string, Json>; descriptions: Record<string, unknown> } {
  const registry = z.registry<{ id: string; description?: string }>();
  for (const [id, schema] of Object.entries({ ...EVENTS, Filter, Metadata, Hit, Passage, GenerateOutput })) {
    registry.add(schema as z.ZodType, { id, ...schema.meta() });
  }
  const { schemas } = z.toJSONSchema(registry, {
    target: 'draft-7',
    io: 'input',
    uri: (id) => `#/components/schemas/${id}`,
    override: ({ jsonSchema }) => {
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    },
  });
  const entries = Object.entries(schemas as Record<string, Json>).map(
    ([id, { $schema: _, $id: __, ...schema }]) => [id, schema] as const,
  );
  return {
    schemas: Object.fromEntries(entries),
    descriptions: Object.fromEntries(entries.map(([id, { description }]) => [id, description])),
  };
}
