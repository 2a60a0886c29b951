import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fields } from '../../../functions/_local/manifests/model.ts';
import type { Api } from '../../support/api.ts';
import type { Check, Context } from '../context.ts';
import { eventually } from '../reach.ts';
import { ask, ended, PATIENCE } from './documents.ts';

const COLLECTION = 'letters';
const TRIGGER = 'document-accepted-to-ingest';
/** A Broker's data plane takes a moment to hear of a changed Trigger. */
const PROPAGATION_MS = 3_000;

/** What can never work ends as a dead letter; what could not work then is done when it is replayed. */
export const deadLetters: Check = {
  name: 'dead-letters',
  async run(context) {
    await poison(context.knarr);
    await outage(context);
  },
};

async function letterOf(knarr: Api, subject: string, attempts: number): Promise<any> {
  return eventually(`${subject} is a dead letter after ${attempts} attempts`, 2 * PATIENCE, async () => {
    const { body } = await knarr.api('GET', `/v1/dead-letters?subject=${subject}`);
    return body.dead_letters?.find((letter: { attempts: number }) => letter.attempts === attempts);
  });
}

async function replay(knarr: Api, id: string): Promise<void> {
  const { status, body } = await knarr.api('POST', `/v1/dead-letters/${id}/replay`);
  assert.deepEqual([status, body], [202, { replayed: 1 }]);
}

async function poison(knarr: Api): Promise<void> {
  const accepted = await knarr.api('PUT', '/v1/documents/broken', undefined, {
    body: '%PDF-1.7\nthis is no PDF',
    headers: { 'content-type': 'application/pdf' },
  });
  assert.equal(accepted.status, 202);
  const { state, error } = await ended(knarr, 'broken');
  assert.deepEqual([state, error.code], ['dead_lettered', 'unprocessable']);
  const letter = await letterOf(knarr, 'broken', 1);
  await replay(knarr, letter.id);
  await letterOf(knarr, 'broken', 2);
}

/** A subscriber cannot be reached for longer than the Broker tries: the document goes on, with a dead letter until then. */
async function outage({ cluster, namespace, knarr, figures }: Context): Promise<void> {
  const trigger = await cluster.get('trigger', TRIGGER, namespace);
  const subscribe = async (subscriber: Fields) => {
    const patch = JSON.stringify({ spec: { subscriber } });
    const target = ['trigger', TRIGGER, '--namespace', namespace];
    await cluster.text('patch', ...target, '--type', 'merge', '--patch', patch);
    await cluster.text('wait', ...target, '--for', 'condition=Ready', '--timeout', '60s');
    await sleep(PROPAGATION_MS);
  };
  let letter: { id: string };
  await subscribe({ ref: null, uri: 'http://127.0.0.1:9/' });
  try {
    const text = 'The stave church of Urnes was built around 1130.';
    const started = performance.now();
    const accepted = await knarr.api('PUT', '/v1/documents/outage', { text, collection: COLLECTION });
    assert.equal(accepted.status, 202, JSON.stringify(accepted.body));
    letter = await letterOf(knarr, 'outage', 1);
    figures.seconds(
      'subscriber gone → dead letter after all retries',
      [performance.now() - started],
      'document',
    );
    assert.equal((await knarr.api('GET', '/v1/documents/outage')).body.state, 'accepted');
  } finally {
    await subscribe({ uri: null, ref: trigger?.spec.subscriber.ref });
  }
  const replayed = performance.now();
  // The sweep may have been quicker: then the letter is gone.
  const { status } = await knarr.api('POST', `/v1/dead-letters/${letter.id}/replay`);
  assert.ok(status === 202 || status === 404, `the replay was answered ${status}`);
  await eventually('the replayed document is indexed', PATIENCE, async () => {
    const { body } = await knarr.api('GET', '/v1/documents/outage');
    return body.state === 'indexed';
  });
  figures.seconds('dead letter replayed → indexed', [performance.now() - replayed], 'document');
  assert.match((await ask(knarr, 'When was the stave church of Urnes built?', COLLECTION)).answer, /1130/);
}
