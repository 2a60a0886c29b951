import assert from 'node:assert/strict';
import { emit, toCloudEvent } from '../../../functions/_shared/events.ts';
import { httpPublisher } from '../../../functions/_shared/publisher.ts';
import type { Publisher } from '../../../functions/_shared/stage.ts';
import type { Api } from '../../support/api.ts';
import { saga } from '../../support/saga.ts';
import type { Check, Context } from '../context.ts';
import { eventually, throughCluster } from '../reach.ts';

/** Seconds for a document or a question that may have to wait for stages to start from zero. */
export const PATIENCE = 120;
/** A question's budget when stages may have to start first, milliseconds. */
const BUDGET = 60_000;

const COLLECTION = 'cluster';
const QUESTION = 'What did the knarr carry?';

/** Waits until the newest version of a document is one that has ended. */
export async function ended(knarr: Api, id: string, version = 1): Promise<any> {
  return eventually(`${id} v${version} has ended`, PATIENCE, async () => {
    const { body } = await knarr.api('GET', `/v1/documents/${id}`);
    return body.version >= version && ENDED.has(body.state) && body;
  });
}
const ENDED = new Set(['indexed', 'superseded', 'deleted', 'dead_lettered']);

export async function ask(knarr: Api, question: string, collection: string): Promise<any> {
  const { status, body } = await knarr.api('POST', '/v1/rag', { question, collection, budget_ms: BUDGET });
  assert.equal(status, 200, `the question was answered ${status} ${JSON.stringify(body)}`);
  return body;
}

/** The same question as events, from stage to stage. */
export async function askByEvents(knarr: Api, question: string, collection: string): Promise<any> {
  const asked = await knarr.api('POST', '/v1/rag', undefined, {
    body: JSON.stringify({ question, collection, budget_ms: BUDGET }),
    headers: { 'content-type': 'application/json', prefer: 'respond-async' },
  });
  assert.equal(asked.status, 202, JSON.stringify(asked.body));
  const location = asked.headers.get('location') ?? '';
  return eventually(`${location} is answered`, PATIENCE, async () => {
    const { body } = await knarr.api('GET', location);
    assert.notEqual(body.state, 'failed', JSON.stringify(body));
    return body.state === 'answered' && body;
  });
}

async function remove(knarr: Api, id: string): Promise<void> {
  assert.equal((await knarr.api('DELETE', `/v1/documents/${id}`)).status, 202);
  const { status, body } = await knarr.api('GET', `/v1/documents/${id}`);
  assert.deepEqual([status, body.state], [404, 'deleted']);
  const after = await ask(knarr, QUESTION, COLLECTION);
  assert.deepEqual(after.sources, [], 'a deleted document is among the sources');
}

/** Sends to the Broker itself, as any producer in the cluster does. */
export async function toBroker<T>(
  { cluster, namespace }: Context,
  use: (broker: Publisher) => Promise<T>,
): Promise<T> {
  const broker = await cluster.get('broker', 'default', namespace);
  // An in-memory Broker answers when the event has been delivered, which from zero takes seconds.
  return throughCluster(cluster, broker?.status.address.url, namespace, (url) =>
    use(httpPublisher(url, { timeout: PATIENCE * 1000 })),
  );
}

export const submission = (tenant: string, document: string, text: string, collection: string) =>
  toCloudEvent('producer', emit('document.submitted', document, { document, text, collection }), { tenant });

export const byHttp: Check = {
  name: 'http',
  async run({ knarr }) {
    const put = async (text: string, version: number) => {
      const accepted = await knarr.api('PUT', '/v1/documents/ship', { text, collection: COLLECTION });
      assert.equal(accepted.status, 202, JSON.stringify(accepted.body));
      assert.equal((await ended(knarr, 'ship', version)).state, 'indexed');
      return ask(knarr, QUESTION, COLLECTION);
    };
    const first = await put('The knarr was a Norse merchant ship. It carried cargo across the ocean.', 1);
    assert.match(first.answer, /cargo/);
    assert.deepEqual(first.degraded, []);
    const [citation] = first.citations;
    const cited = first.answer.slice(citation.start, citation.end).trim();
    assert.ok(
      first.sources[citation.source].text.includes(cited),
      'the citation is not what the source says',
    );
    const second = await put('The knarr carried wool and timber.', 2);
    assert.match(second.answer, /wool/);
    assert.doesNotMatch(JSON.stringify(second), /cargo/);
    await remove(knarr, 'ship');
    const long = { text: saga(90), content_type: 'text/markdown', collection: 'long' };
    assert.equal((await knarr.api('PUT', '/v1/documents/saga', long)).status, 202);
    const { state, indexed_chunks } = await ended(knarr, 'saga');
    assert.deepEqual([state, indexed_chunks], ['indexed', 90], 'a document of many chunks is not whole');
  },
};

export const byEvents: Check = {
  name: 'events',
  async run(context) {
    const { knarr, tenants } = context;
    const id = 'ship-by-events';
    await toBroker(context, async (broker) => {
      const submit = async (text: string, version: number) => {
        await broker.publish([submission(tenants[0].name, id, text, COLLECTION)]);
        assert.equal((await ended(knarr, id, version)).state, 'indexed');
        return askByEvents(knarr, QUESTION, COLLECTION);
      };
      assert.match(
        (await submit('The knarr carried stockfish from the north.', 1)).result.answer,
        /stockfish/,
      );
      const second = await submit('The knarr carried walrus ivory.', 2);
      assert.match(second.result.answer, /ivory/);
      assert.doesNotMatch(JSON.stringify(second), /stockfish/);
    });
    await remove(knarr, id);
  },
};
