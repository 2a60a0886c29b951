import { expect, test } from 'vitest';
import { z } from 'zod';
import { STAGES } from '../functions/_local/run/stages.ts';
import { describeEvents, type Speaker } from '../functions/_shared/asyncapi.ts';
import { EVENTS, type EventName, eventType } from '../functions/_shared/events.ts';
import { producedTypes } from '../functions/_shared/runtime/http.ts';

const speakers = STAGES as unknown as Speaker[];
const document = describeEvents(speakers);

const Ref = z.strictObject({ $ref: z.string().startsWith('#/') });
const Name = z.string().regex(/^[\w.-]+$/);
const JsonSchema = z.record(z.string(), z.unknown());
/** The part of AsyncAPI 3.0 that is used, strictly: a misspelt member is an error. */
const AsyncApi = z.strictObject({
  asyncapi: z.literal('3.0.0'),
  info: z.strictObject({
    title: z.string(),
    version: z.string().regex(/^\d+\.\d+\.\d+/),
    description: z.string(),
    license: z.strictObject({ name: z.string(), url: z.url() }),
  }),
  defaultContentType: z.literal('application/json'),
  servers: z.record(
    Name,
    z.strictObject({
      host: z.string(),
      protocol: z.literal('http'),
      pathname: z.string().startsWith('/'),
      description: z.string(),
      variables: z.record(Name, z.strictObject({ default: z.string() })),
    }),
  ),
  channels: z.record(
    Name,
    z.strictObject({ address: z.string(), description: z.string().min(1), messages: z.record(Name, Ref) }),
  ),
  operations: z.record(
    Name,
    z.strictObject({
      action: z.enum(['send', 'receive']),
      channel: Ref,
      summary: z.string().min(1),
      tags: z.array(z.strictObject({ name: z.string() })),
      messages: z.array(Ref).min(1),
      bindings: z.strictObject({
        http: z.strictObject({ method: z.literal('POST'), bindingVersion: z.literal('0.3.0') }),
      }),
    }),
  ),
  components: z.strictObject({
    messages: z.record(
      Name,
      z.strictObject({
        name: z.string(),
        contentType: z.literal('application/json'),
        summary: z.string().min(1),
        headers: JsonSchema,
        payload: Ref,
      }),
    ),
    schemas: z.record(Name, JsonSchema),
  }),
});

/** What a local reference points at; undefined when nothing is there. */
function resolve(ref: string): unknown {
  const steps = ref
    .slice(2)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  return steps.reduce<any>((value, step) => value?.[step], document);
}

test('it is AsyncAPI 3.0, and every reference leads somewhere', () => {
  expect(() => AsyncApi.parse(document)).not.toThrow();
  const refs = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref = '']) => ref);
  expect(refs.length).toBeGreaterThan(50);
  for (const ref of refs) expect(resolve(ref), ref).toBeDefined();
  expect(JSON.stringify(document)).not.toMatch(/"\$(id|schema|defs)"/);
});

test('every event type has a channel with its address, its message and its data', () => {
  const names = Object.keys(EVENTS) as EventName[];
  expect(Object.keys(document.channels)).toEqual(names);
  for (const name of names) {
    expect(document.channels[name]?.address).toBe(eventType(name));
    const { properties, required = [] } = document.components.schemas[name] as {
      properties: Record<string, unknown>;
      required?: string[];
    };
    const shape = (EVENTS[name] as z.ZodObject).shape;
    expect(Object.keys(properties)).toEqual(Object.keys(shape));
    const needed = Object.keys(shape).filter(
      (field) => !(shape[field] as z.ZodType).safeParse(undefined).success,
    );
    expect(required.toSorted()).toEqual(needed.toSorted());
  }
});

test('its operations are what the stages declare, no more and no less', () => {
  const declared = speakers.flatMap((stage) => [
    ...Object.keys(stage.on).map((name) => `${stage.name} receive ${eventType(name as EventName)}`),
    ...producedTypes(stage).map((type) => `${stage.name} send ${type}`),
  ]);
  const described = Object.values(document.operations).map((operation) => {
    const { action, channel, tags, messages } = operation as any;
    const { address, messages: carried } = resolve(channel.$ref) as any;
    const message = resolve(messages[0].$ref);
    expect(Object.values(carried)).toContainEqual(message);
    return `${tags[0].name} ${action} ${address}`;
  });
  expect(described.toSorted()).toEqual(declared.toSorted());
});
