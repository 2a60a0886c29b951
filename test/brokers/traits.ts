/** In what Brokers differ; docs/brokers.md tells it in words. */
export interface Traits {
  /** Path of a Broker at its ingress. */
  path: string;
  /** What the ingress answers to CloudEvents' web hook validation. */
  webHook: number;
  /** What it answers to an event of more than 1 MiB. */
  tooLarge: number;
  /** Whether it counts hops (`knativebrokerttl`), and refuses what has used them up. */
  countsHops: boolean;
  /** Whether a filter value of "" asks that the attribute is there. */
  filtersPresence: boolean;
  /** Whether subscribers are told that a reply is welcome, and headers of tracing and of Knative are passed on. */
  passesHeaders: boolean;
  /** Whether a refusal that is not retried is a failure, or forgotten. */
  refusalFails: boolean;
  /** Whether a dead letter says what the subscriber answered (`knativeerrordata`). */
  keepsAnswer: boolean;
  /** `knativeerrorcode` when no answer came. */
  noAnswer: string;
  /** Pauses before retries, in units of the delay. */
  linear: readonly number[];
  exponential: readonly number[];
  /** How often a 2xx answer that is no event is tried, and the code of its dead letter; undefined: it is a delivery. */
  textReply: { attempts: number; code: string } | undefined;
  /** The same for an answer that has an event's headers and is none. */
  brokenReply: { attempts: number; code: string };
  /** Whether it goes where a redirect leads. */
  followsRedirects: boolean;
  /** Whether what a dead letter sink replies goes back into the Broker. */
  takesSinkReplies: boolean;
  /** Whether a retry that waits lets events behind it pass. */
  retriesAside: boolean;
}

/** The embedded Broker, which does as Knative's multi-tenant channel Broker does. */
export const EMBEDDED: Traits = {
  path: '/default/default',
  webHook: 200,
  tooLarge: 413,
  countsHops: true,
  filtersPresence: true,
  passesHeaders: true,
  refusalFails: true,
  keepsAnswer: true,
  noAnswer: '500',
  linear: [0, 1, 2],
  exponential: [1, 2, 4],
  textReply: { attempts: 2, code: '502' },
  brokenReply: { attempts: 2, code: '502' },
  followsRedirects: false,
  takesSinkReplies: false,
  retriesAside: true,
};

/** Knative's RabbitMQ Broker, v0.48.0, delivering one event at a time to each Trigger. */
export const RABBITMQ: Traits = {
  path: '/',
  webHook: 405,
  tooLarge: 202,
  countsHops: false,
  filtersPresence: false,
  passesHeaders: false,
  refusalFails: false,
  keepsAnswer: false,
  noAnswer: '-1',
  linear: [1, 2, 3],
  exponential: [2, 4, 8],
  textReply: undefined,
  brokenReply: { attempts: 1, code: '200' },
  followsRedirects: true,
  takesSinkReplies: true,
  retriesAside: false,
};
