import { type Config, duration, integer, knob } from '../_shared/config.ts';
import { DRIFT_KINDS } from '../_shared/contracts.ts';
import { relayKnobs, startRelay } from '../_shared/outbox.ts';
import { httpPublisher } from '../_shared/publisher.ts';
import { runtimeKnobs } from '../_shared/runtime/start.ts';
import { defineStage, type StageTools } from '../_shared/stage.ts';
import { storeKnobs } from '../_shared/stores/knobs.ts';
import { openStores, type Stores } from '../_shared/stores/open.ts';
import { openOriginals } from '../_shared/stores/originals/open.ts';
import type { OriginalStore } from '../_shared/stores/originals/port.ts';
import { takeDeadLetter } from './dead-letters.ts';
import { onTimer, type RecoverDeps, RecoverInput, RecoverOutput, recover } from './handler.ts';
import type { Queues } from './sweep.ts';
import { PACE, refresh } from './upkeep.ts';

export const recoverKnobs = {
  redriveAfterMs: knob(
    'KNARR_REDRIVE_AFTER',
    duration('60s'),
    'How long a document may stand still before it is sent off again; doubled each time.',
  ),
  redriveAttempts: knob(
    'KNARR_REDRIVE_ATTEMPTS',
    integer(8, 0, 30),
    'How often it is sent off again before it is dead-lettered.',
  ),
  purgeAfterMs: knob(
    'KNARR_PURGE_AFTER',
    duration('10m'),
    'How long originals of deleted and superseded documents, and replayed dead letters, are kept. Longer than any upload takes.',
  ),
  deadLetterRetentionMs: knob(
    'KNARR_DEAD_LETTER_RETENTION',
    duration('30d'),
    "How long dead letters are kept that nobody replays: of questions, of submissions, of a document's replaced versions. That of its newest version stays.",
  ),
};

/** The stage's dependencies over stores that are open; what the last whole comparison found is shown as metrics. */
export function createRecover(
  stores: Stores & { originals: OriginalStore },
  limits: Config<typeof recoverKnobs>,
  metrics: StageTools['metrics'],
  pace = PACE,
): RecoverDeps {
  const compared: RecoverDeps['compared'] = {};
  const { documents } = stores;
  metrics.gauge('knarr_vector_store_drift', 'Chunks that ledger and vector store disagreed on.', () =>
    DRIFT_KINDS.map((kind) => ({ value: compared.last?.drift?.[kind] ?? 0, labels: { kind } })),
  );
  metrics.gauge(
    'knarr_vector_store_compared_timestamp_seconds',
    'When ledger and vector store had last been compared as a whole.',
    () => (compared.last ? [{ value: compared.last.at.getTime() / 1000 }] : []),
  );
  const swept: RecoverDeps['swept'] = {};
  const told = (name: string, help: string, read: (found: Queues) => number) =>
    metrics.gauge(name, help, () => (swept.found ? [{ value: read(swept.found) }] : []));
  told('knarr_documents_unfinished', 'Documents that are accepted and have not ended.', (q) => q.unfinished);
  told(
    'knarr_documents_standing_seconds',
    'How long the document has not moved that stands longest.',
    (q) => q.oldestMs / 1000,
  );
  told('knarr_outbox_events', 'Events that wait to be published.', (q) => q.outbox);
  told('knarr_dead_letters', 'Dead letters that nobody has replayed.', (q) => q.deadLetters);
  return { ...stores, documents, limits, metrics, pace, compared, swept };
}

export const stage = defineStage({
  name: 'recover',
  summary: 'Sends off again what stands still, keeps dead letters, and compares ledger and vector store.',
  input: RecoverInput,
  output: RecoverOutput,
  handle: recover,
  on: { 'timer.fired': { produces: ['document.failed'], several: true, handle: onTimer } },
  emits: ['document.failed', 'document.accepted', 'document.deleted'],
  onDeadLetter: (event, context) => takeDeadLetter(event, context),
  knobs: {
    ...storeKnobs,
    ...recoverKnobs,
    ...relayKnobs,
    sink: runtimeKnobs.sink,
    stageKey: runtimeKnobs.stageKey,
    publishTimeout: runtimeKnobs.publishTimeout,
  },
  async open(config, { log, metrics }) {
    const deps = createRecover(
      { ...(await openStores(config)), originals: openOriginals(config) },
      config,
      metrics,
    );
    await refresh(deps);
    // The gateway's relay sleeps when nobody asks; this one is woken by the timer.
    const relay =
      config.sink === undefined
        ? undefined
        : startRelay({
            documents: deps.documents,
            publisher: httpPublisher(config.sink, { timeout: config.publishTimeout, key: config.stageKey }),
            log,
            stage: 'gateway',
          });
    return { ...deps, relay };
  },
  async close({ documents, relay }) {
    await relay?.stop();
    await documents.close();
  },
  ready: ({ documents }) => documents.ping(),
});
