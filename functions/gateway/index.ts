import { Hono } from 'hono';
import { httpClient, httpPublisher } from '../_shared/client.ts';
import { KnarrError } from '../_shared/errors.ts';
import { generationKnobs, readGeneration } from '../_shared/generation.ts';
import { relayKnobs } from '../_shared/outbox.ts';
import { runtimeKnobs } from '../_shared/runtime/start.ts';
import { defineStage, type Publisher } from '../_shared/stage.ts';
import { storeKnobs } from '../_shared/stores/knobs.ts';
import { openLedger } from '../_shared/stores/open.ts';
import { openOriginals } from '../_shared/stores/originals/open.ts';
import { admit, admitEvent } from './admit.ts';
import { createApi } from './api/app.ts';
import { checkAuth } from './auth/authenticator.ts';
import { authKnobs, eventKnobs } from './auth/knobs.ts';
import { closeGateway, createGateway, sayWhenAway } from './deps.ts';
import { refuseOpenBinding } from './guard.ts';
import { acceptSubmitted, answerQuestion, keepAnswer } from './handler.ts';
import { limitKnobs, stageKnobs, uriKnobs } from './knobs.ts';
import { quotaKnobs } from './limits/knobs.ts';
import { Answer, Question } from './rag/question.ts';

/** Where there is no broker, documents wait in the outbox. */
const nowhere: Publisher = {
  async publish() {
    throw new KnarrError('unavailable', 'No broker is configured: K_SINK is not set.');
  },
};

/** A part of a comparison takes half a minute and a page. */
const RECONCILE_MS = 120_000;

/** The edge: the public API, durable acceptance, and the orchestration of a question. */
export const stage = defineStage({
  name: 'gateway',
  summary: 'Takes documents and answers questions: the public API.',
  input: Question,
  output: Answer,
  handle: answerQuestion,
  on: {
    'document.submitted': { produces: [], handle: acceptSubmitted },
    'query.answered': { produces: [], handle: keepAnswer },
  },
  emits: ['document.accepted', 'document.deleted', 'query.asked'],
  admit,
  admitEvent,
  answerHeaders: ({ tenant }, { quotas }) => quotas.headers(tenant),
  checkAddress(hostname, config) {
    checkAuth(config);
    refuseOpenBinding(hostname, config.auth.length > 0);
  },
  drain: ({ closing }) => closing.abort(),
  routes: (deps, log) => new Hono().route('/', createApi(deps, log)),
  knobs: {
    ...storeKnobs,
    ...generationKnobs,
    ...limitKnobs,
    ...uriKnobs,
    ...quotaKnobs,
    ...authKnobs,
    ...eventKnobs,
    ...stageKnobs,
    ...relayKnobs,
    sink: runtimeKnobs.sink,
    stageKey: runtimeKnobs.stageKey,
    publishTimeout: runtimeKnobs.publishTimeout,
  },
  async open(config, { log }) {
    const { stageKey: key } = config;
    const ledger = await openLedger(config);
    const originals = openOriginals(config);
    sayWhenAway(originals, log);
    return createGateway(
      {
        ...ledger,
        originals,
        publisher:
          config.sink === undefined
            ? nowhere
            : httpPublisher(config.sink, { timeout: config.publishTimeout, key }),
        stages: {
          embed: httpClient(config.embedUrl, { key }),
          search: httpClient(config.searchUrl, { key }),
          fetch: httpClient(config.fetchUrl, { key }),
          generate: httpClient(config.generateUrl, { key }),
        },
        reconcile: httpClient(config.recoverUrl, { timeout: RECONCILE_MS, key }),
        generation: readGeneration(config),
        log,
      },
      config,
    );
  },
  async close(deps) {
    await closeGateway(deps);
    await deps.documents.close();
  },
  // Originals are needed to take documents alone: without them a PUT is refused, and questions are answered.
  ready: ({ documents }) => documents.ping(),
});
