import assert from 'node:assert/strict';
import type { Cluster } from '../../../functions/_local/cluster/kubectl.ts';
import type { Fields } from '../../../functions/_local/manifests/model.ts';
import type { Check, Context } from '../context.ts';
import { stagePods } from '../reach.ts';
import { ask, ended } from './documents.ts';

const SERVICE = 'generate';
const PERCENT = 20;
const COLLECTION = 'canary';

/** A new revision gets the share of the questions that it was given, and then all. */
export const canary: Check = {
  name: 'canary',
  async run(context) {
    const { cluster, namespace, options, figures } = context;
    const before = await serviceOf(cluster, namespace);
    const stable: string = before.status.latestReadyRevisionName;
    const text = 'The ferry to Iona was built in the year 1979.';
    const accepted = await context.knarr.api('PUT', '/v1/documents/ferry', { text, collection: COLLECTION });
    assert.equal(accepted.status, 202, JSON.stringify(accepted.body));
    await ended(context.knarr, 'ferry');
    await roll(context, [
      { tag: 'stable', revisionName: stable, percent: 100 - PERCENT },
      { tag: 'canary', latestRevision: true, percent: PERCENT },
    ]);
    const newest: string = (await serviceOf(cluster, namespace)).status.latestReadyRevisionName;
    assert.notEqual(newest, stable, 'there is no new revision');

    const count = Math.max(100, options.questions);
    const share = await shareOf(context, newest, count);
    const [expected, deviation] = [
      count * (PERCENT / 100),
      Math.sqrt(count * (PERCENT / 100) * (1 - PERCENT / 100)),
    ];
    figures.add(
      `canary at ${PERCENT} %`,
      `${((100 * share) / count).toFixed(1)} % of the questions`,
      `${count} questions`,
    );
    // Each question is a throw of its own: four deviations are missed once in 16,000 runs.
    assert.ok(Math.abs(share - expected) <= 4 * deviation, `${share} of ${count} went to the canary`);

    await traffic(context, [{ latestRevision: true, percent: 100 }]);
    const all = await shareOf(context, newest, 50);
    assert.equal(all, 50, 'after the promotion the old revision still answers');
    figures.add('canary promoted', `${(100 * all) / 50} % of the questions`, '50 questions');
  },
};

const serviceOf = async (cluster: Cluster, namespace: string) =>
  (await cluster.get('ksvc', SERVICE, namespace)) as Fields;

/** A new revision, which differs by a variable that changes nothing, and the traffic between it and the old one. */
async function roll(context: Context, split: Fields[]): Promise<void> {
  const annotations = { 'knarr.dev/rolled-at': new Date().toISOString() };
  await patch(context, { spec: { template: { metadata: { annotations } }, traffic: split } });
}
const traffic = (context: Context, split: Fields[]) => patch(context, { spec: { traffic: split } });

async function patch({ cluster, namespace }: Context, change: Fields): Promise<void> {
  const target = ['ksvc', SERVICE, '--namespace', namespace];
  await cluster.text('patch', ...target, '--type', 'merge', '--patch', JSON.stringify(change));
  const { generation } = (await serviceOf(cluster, namespace)).metadata;
  await cluster.text(
    'wait',
    ...target,
    '--for',
    `jsonpath={.status.observedGeneration}=${generation}`,
    '--timeout',
    '60s',
  );
  await cluster.text('wait', ...target, '--for', 'condition=Ready', '--timeout', '180s');
}

/** Of `count` questions, how many the pods of `revision` answered, by their own count. */
async function shareOf(context: Context, revision: string, count: number): Promise<number> {
  const { knarr } = context;
  // Both have a pod before anything is counted.
  for (let n = 0; n < 30; n++) await ask(knarr, `When was ferry number ${n} built?`, COLLECTION);
  const before = await answeredBy(context);
  for (let n = 0; n < count; n++) await ask(knarr, `When was ferry number ${n} built?`, COLLECTION);
  const after = await answeredBy(context);
  const gained = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0);
  const total = [...after.keys()].reduce((sum, name) => sum + gained(name), 0);
  assert.equal(total, count, `${count} questions were asked, the pods count ${total}`);
  return gained(revision);
}

/** Calls answered so far, by revision. */
async function answeredBy({ cluster, namespace }: Context): Promise<Map<string, number>> {
  const answered = new Map<string, number>();
  for (const { name, service, revision } of await stagePods(cluster, namespace)) {
    if (service !== SERVICE) continue;
    const text = await cluster.forward(namespace, `pod/${name}`, 8080, async (port) =>
      (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
    );
    const lines = text.matchAll(/^knarr_stage_duration_seconds_count\{[^}]*kind="call"[^}]*\} (\d+)/gm);
    const calls = [...lines].reduce((sum, [, number]) => sum + Number(number), 0);
    answered.set(revision, (answered.get(revision) ?? 0) + calls);
  }
  return answered;
}
