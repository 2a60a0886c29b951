import { z } from 'zod';
import { bytes, duration, integer, knob, list } from '../_shared/config.ts';
import { limitKnobs as sharedLimits } from '../_shared/limits.ts';
import { MAX_BUDGET_MS, MIN_BUDGET_MS } from './rag/question.ts';

/** Bounds of the API. */
export const limitKnobs = {
  ...sharedLimits,
  maxBatchLineBytes: knob(
    'KNARR_MAX_BATCH_LINE_BYTES',
    bytes('16MiB'),
    'Longest line of a batch of documents.',
  ),
  maxBodiesBytes: knob(
    'KNARR_MAX_BODIES_BYTES',
    bytes('128MiB'),
    'Bodies with documents or with texts to embed, and documents read from URIs, that are in memory at once, bytes as they are sent; more are answered 429. Each byte takes up to six bytes of memory.',
  ),
  maxQuestionBytes: knob(
    'KNARR_MAX_QUESTION_BYTES',
    bytes('256KiB'),
    'Largest body of a question or search.',
  ),
  maxEmbeddingBytes: knob(
    'KNARR_MAX_EMBEDDING_BYTES',
    bytes('8MiB'),
    'Largest body of a request for embeddings.',
  ),
  maxQuestions: knob(
    'KNARR_MAX_QUESTIONS',
    integer(64, 1, 100_000),
    'Questions, searches and embedding requests at work at once. Of more, a tenant that has less than its share waits for the next turn; the others are answered 429.',
  ),
  maxWrites: knob(
    'KNARR_MAX_WRITES',
    integer(64, 1, 100_000),
    'Documents being accepted at once, and as many being deleted; of more, as with KNARR_MAX_QUESTIONS.',
  ),
  maxBacklog: knob(
    'KNARR_MAX_BACKLOG',
    integer(100_000, 1, 100_000_000),
    'Documents that are accepted and not indexed yet, of all tenants; one of them takes as many as it leaves for the others: half of it when it is alone. More are answered 429.',
  ),
  maxStreams: knob(
    'KNARR_MAX_STREAMS',
    integer(256, 1, 100_000),
    'Event streams open at once; more are answered 429.',
  ),
  streamMs: knob(
    'KNARR_STREAM_TIMEOUT',
    duration('10m'),
    'How long a stream that follows a document or question stays open.',
  ),
  defaultBudgetMs: knob(
    'KNARR_DEFAULT_BUDGET',
    duration('30s').pipe(z.number().min(MIN_BUDGET_MS).max(MAX_BUDGET_MS)),
    'Time for a question that names no budget.',
  ),
  asyncBudgetMs: knob(
    'KNARR_ASYNC_BUDGET',
    duration('5m'),
    'Time for an asynchronous question that names no budget.',
  ),
  answerTtlMs: knob(
    'KNARR_ANSWER_TTL',
    duration('1h'),
    'How long the answer to an asynchronous question is kept.',
  ),
};

/** Reading documents from a URI. */
export const uriKnobs = {
  uriTimeout: knob('KNARR_URI_TIMEOUT', duration('20s'), 'Longest time to read a document from its URI.'),
  uriAllow: knob(
    'KNARR_URI_ALLOW',
    list(),
    'Hosts, addresses and CIDR ranges, separated by commas, that documents may be read from although they are not public.',
  ),
};

const stageUrl = (stage: string) =>
  knob(
    `KNARR_${stage.toUpperCase()}_URL`,
    z.url({ protocol: /^https?$/ }).default(`http://${stage}`),
    `Where the ${stage} stage answers. On Knative with its namespace, since it routes no bare name: http://${stage}.<namespace>.svc.cluster.local.`,
  );

/** The stages that the gateway calls. */
export const stageKnobs = {
  embedUrl: stageUrl('embed'),
  searchUrl: stageUrl('search'),
  fetchUrl: stageUrl('fetch'),
  generateUrl: stageUrl('generate'),
  recoverUrl: stageUrl('recover'),
};
