import assert from 'node:assert/strict';
import type { Api } from '../../support/api.ts';
import type { Check, Context } from '../context.ts';
import { eventually } from '../reach.ts';
import { ask, ended, PATIENCE } from './documents.ts';

const COLLECTION = 'letters';

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

/** The vector store cannot be reached for longer than the Broker retries. */
async function outage({ cluster, namespace, knarr, figures }: Context): Promise<void> {
  const store = await cluster.get('service', 'qdrant', namespace);
  assert.ok(store, 'this overlay has no Service qdrant that could be cut off');
  const select = (selector: Record<string, string | null>) =>
    cluster.text(
      ...['patch', 'service', 'qdrant', '--namespace', namespace, '--type', 'merge'],
      ...['--patch', JSON.stringify({ spec: { selector } })],
    );
  const cut = { 'app.kubernetes.io/name': 'nowhere' };
  let letter: { id: string };
  const started = performance.now();
  await select(cut);
  try {
    const text = 'The stave church of Urnes was built around 1130.';
    const accepted = await knarr.api('PUT', '/v1/documents/outage', { text, collection: COLLECTION });
    assert.equal(accepted.status, 202, JSON.stringify(accepted.body));
    letter = await letterOf(knarr, 'outage', 1);
    figures.seconds(
      'vector store gone → dead letter after all retries',
      [performance.now() - started],
      'document',
    );
    assert.equal((await ended(knarr, 'outage')).state, 'dead_lettered');
  } finally {
    await select(store.spec.selector);
  }
  const replayed = performance.now();
  await eventually('the replayed document is indexed', PATIENCE, async () => {
    const { body } = await knarr.api('GET', '/v1/documents/outage');
    if (body.state === 'dead_lettered') await replay(knarr, letter.id).catch(() => {});
    return body.state === 'indexed';
  });
  figures.seconds(
    'vector store back, dead letter replayed → indexed',
    [performance.now() - replayed],
    'document',
  );
  assert.match((await ask(knarr, 'When was the stave church of Urnes built?', COLLECTION)).answer, /1130/);
}
