import assert from 'node:assert/strict';
import type { Drift } from '../../../functions/_shared/contracts.ts';
import type { Api } from '../../support/api.ts';
import type { Check } from '../context.ts';
import { eventually } from '../reach.ts';
import { ask, ended, PATIENCE } from './documents.ts';

const COLLECTION = 'vectors-lost';
const QUESTION = 'When was the bridge of Stirling fought over?';

/** The vector store's pod is killed. What it does not bring back from its disk, the comparison has made anew. */
export const vectorsLost: Check = {
  name: 'vectors-lost',
  async run({ cluster, namespace, knarr, figures, note }) {
    const text = 'The bridge of Stirling was fought over in 1297.';
    const accepted = await knarr.api('PUT', '/v1/documents/bridge', { text, collection: COLLECTION });
    assert.equal(accepted.status, 202, JSON.stringify(accepted.body));
    await ended(knarr, 'bridge');

    const lost = (await cluster.get('pod', 'qdrant-0', namespace))?.metadata.uid;
    const killed = performance.now();
    await cluster.text(
      ...['delete', 'pod', 'qdrant-0', '--namespace', namespace],
      ...['--grace-period', '0', '--force'],
    );
    await eventually('qdrant-0 is ready again', PATIENCE, async () => {
      const pod = await cluster.get('pod', 'qdrant-0', namespace);
      const conditions: { type: string; status: string }[] = pod?.status.conditions ?? [];
      return (
        pod?.metadata.uid !== lost &&
        conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
      );
    });
    const found = await eventually('the comparison is made', PATIENCE, () => reconcile(knarr, true));
    note(`found after its pod was killed: ${JSON.stringify(found)}`);
    await eventually('the vector store is in step', 2 * PATIENCE, async () => {
      const drift = await reconcile(knarr, false);
      return drift !== undefined && drift.missing + drift.phantom + drift.duplicate + drift.wrong_hash === 0;
    });
    figures.seconds(
      'vector store lost → made anew',
      [performance.now() - killed],
      `run, ${found.missing} chunks`,
    );
    assert.match((await ask(knarr, QUESTION, COLLECTION)).answer, /1297/);
  },
};

/** Undefined while the store does not answer. */
async function reconcile(knarr: Api, repair: boolean): Promise<Drift | undefined> {
  const { status, body } = await knarr.api('POST', '/v1/admin/reconcile', { repair });
  if (status === 503 || status === 504) return undefined;
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}
