import { z } from 'zod';

/**
 * The Knative objects that the embedded broker reads, with the rules of Knative's own validation. Strict: a field that
 * is not here is not implemented, and is rejected rather than ignored.
 */

const DURATION =
  /^P(?:(\d+(?:\.\d+)?)D)?(?:T(?=\d)(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;

/** ISO 8601 duration (days to seconds) → milliseconds. */
export const IsoDuration = z.string().transform((text, context) => {
  const match = DURATION.exec(text);
  if (!match || !/\d/.test(text)) {
    context.addIssue({
      code: 'custom',
      message: `${JSON.stringify(text)} is not an ISO 8601 duration such as PT0.5S`,
    });
    return z.NEVER;
  }
  const [days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
  ];
  return Math.round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000);
});
const Positive = IsoDuration.refine((ms) => ms > 0, 'must be longer than zero');

const Name = z.string().regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/, 'not a Kubernetes name');
const Labels = z.record(z.string(), z.string());
const metadata = {
  name: Name,
  namespace: Name.optional(),
  labels: Labels.optional(),
  annotations: Labels.optional(),
};

const Destination = z
  .strictObject({
    ref: z
      .strictObject({
        apiVersion: z.literal('serving.knative.dev/v1'),
        kind: z.literal('Service'),
        name: Name,
        namespace: Name.optional(),
      })
      .optional(),
    uri: z.string().min(1).optional(),
  })
  .refine(({ ref, uri }) => ref !== undefined || uri !== undefined, 'needs ref or uri')
  .refine(
    ({ ref, uri }) => ref === undefined || uri === undefined || !URL.canParse(uri),
    'an absolute uri goes without ref',
  )
  .refine(
    ({ ref, uri }) => ref !== undefined || uri === undefined || URL.canParse(uri),
    'a relative uri needs ref',
  );
export type Destination = z.infer<typeof Destination>;

export const Delivery = z
  .strictObject({
    retry: z.int().min(0).optional(),
    backoffPolicy: z.enum(['linear', 'exponential']).optional(),
    backoffDelay: IsoDuration.optional(),
    timeout: Positive.optional(),
    deadLetterSink: Destination.optional(),
  })
  .refine(
    ({ backoffPolicy, backoffDelay }) => (backoffPolicy === undefined) === (backoffDelay === undefined),
    'backoffPolicy and backoffDelay work only together',
  );
export type Delivery = z.infer<typeof Delivery>;

const BROKER_CLASS = 'eventing.knative.dev/broker.class';
const reference = {
  apiVersion: z.string().min(1),
  kind: z.string().min(1),
  name: Name,
  namespace: Name.optional(),
};

export const Broker = z.strictObject({
  apiVersion: z.literal('eventing.knative.dev/v1'),
  kind: z.literal('Broker'),
  metadata: z.strictObject({
    ...metadata,
    annotations: Labels.refine((labels) => BROKER_CLASS in labels, `${BROKER_CLASS} is missing`),
  }),
  spec: z
    .strictObject({ config: z.strictObject(reference).optional(), delivery: Delivery.optional() })
    .default({}),
});
export type Broker = z.infer<typeof Broker>;

export const Trigger = z.strictObject({
  apiVersion: z.literal('eventing.knative.dev/v1'),
  kind: z.literal('Trigger'),
  metadata: z.strictObject(metadata),
  spec: z.strictObject({
    broker: Name,
    filter: z
      .strictObject({
        attributes: z.record(z.string().regex(/^[a-z][a-z0-9]*$/, 'not an attribute name'), z.string()),
      })
      .optional(),
    subscriber: Destination,
    delivery: Delivery.optional(),
  }),
});
export type Trigger = z.infer<typeof Trigger>;

/** Of a Service only what its deliveries depend on; how its container runs is Knative Serving's business. */
export const Service = z.looseObject({
  apiVersion: z.literal('serving.knative.dev/v1'),
  kind: z.literal('Service'),
  metadata: z.strictObject(metadata),
  spec: z.looseObject({
    template: z.looseObject({
      spec: z.looseObject({ containerConcurrency: z.int().min(0).max(1000).default(0) }),
    }),
  }),
});
export type Service = z.infer<typeof Service>;
