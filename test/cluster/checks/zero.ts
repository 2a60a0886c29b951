import assert from 'node:assert/strict';
import type { Check, Context } from '../context.ts';
import { eventually, stagePods } from '../reach.ts';
import { ask, askByEvents, ended, submission, toBroker } from './documents.ts';

const COLLECTION = 'zero';
const ASLEEP = 900;

/** Until no stage has a pod any more. The timer may wake `recover` in between. */
async function untilZero({ cluster, namespace }: Context): Promise<number> {
  const started = performance.now();
  await eventually(
    'every stage at zero',
    ASLEEP,
    async () => (await stagePods(cluster, namespace)).length === 0,
    500,
  );
  return performance.now() - started;
}

/** Everything to zero and back: what was there is there, and what comes meanwhile is done. */
export const toZero: Check = {
  name: 'zero',
  async run(context) {
    const { knarr, figures, options, tenants } = context;
    const toZeroMs: number[] = [];
    const put = (id: string, text: string) =>
      knarr.api('PUT', `/v1/documents/${id}`, { text, collection: COLLECTION });
    assert.equal((await put('before', 'The lighthouse of Skagen was lit in 1858.')).status, 202);
    await ended(knarr, 'before');

    toZeroMs.push(await untilZero(context));
    const started = performance.now();
    const answer = await ask(knarr, 'When was the lighthouse of Skagen lit?', COLLECTION);
    figures.seconds('first question, every stage at zero', [performance.now() - started], 'question');
    assert.match(answer.answer, /1858/);

    toZeroMs.push(await untilZero(context));
    const sent = performance.now();
    const names = Array.from({ length: 10 }, (_, n) => n);
    await toBroker(context, async (broker) => {
      const event = (n: number) =>
        submission(tenants[0].name, `event-${n}`, `Event number ${n} came by night.`, COLLECTION);
      const byEvents = Promise.all(names.map((n) => broker.publish([event(n)])));
      const byHttp = Promise.all(names.map((n) => put(`put-${n}`, `Letter number ${n} came by night.`)));
      const [, accepted] = await Promise.all([byEvents, byHttp]);
      for (const { status } of accepted) assert.equal(status, 202);
      for (const n of names)
        for (const id of [`event-${n}`, `put-${n}`])
          assert.equal((await ended(knarr, id)).state, 'indexed', id);
    });
    figures.seconds(
      '20 documents at once, every stage at zero → all indexed',
      [performance.now() - sent],
      'run',
    );

    toZeroMs.push(await untilZero(context));
    const asked = performance.now();
    const later = await askByEvents(knarr, 'When was the lighthouse of Skagen lit?', COLLECTION);
    assert.match(later.result.answer, /1858/);
    figures.seconds('first question by events, every stage at zero', [performance.now() - asked], 'question');

    const cold = new Map<string, number[]>();
    for (let n = 0; n < options.cold; n++) toZeroMs.push(await coldStarts(context, cold));
    figures.seconds('last request → no pod left', toZeroMs, 'times');
    for (const [service, sample] of cold)
      figures.seconds(`cold start of ${service}, to its first answer`, sample, 'starts');
  },
};

/**
 * One Service after the other, from zero to an answer: asked at the activator, which every request passes that finds no
 * pod, whatever the ingress. Adds to `cold` by Service; returns how long going to zero took.
 */
async function coldStarts(context: Context, cold: Map<string, number[]>): Promise<number> {
  const { cluster, namespace, deployment } = context;
  const slept = await untilZero(context);
  await cluster.forward('knative-serving', 'service/activator-service', 80, async (port) => {
    for (const service of deployment.services) {
      const ksvc = await cluster.get('ksvc', service, namespace);
      const revision = ksvc?.status.latestReadyRevisionName;
      const started = performance.now();
      const response = await fetch(`http://127.0.0.1:${port}/health/readiness`, {
        headers: { 'knative-serving-namespace': namespace, 'knative-serving-revision': revision },
        signal: AbortSignal.timeout(120_000),
      });
      await response.arrayBuffer();
      assert.equal(response.status, 200, `${service} answered ${response.status}`);
      cold.set(service, [...(cold.get(service) ?? []), performance.now() - started]);
    }
  });
  return slept;
}
