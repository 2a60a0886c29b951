import { deepEqual } from 'node:assert/strict';
import type { Check, Context } from '../context.ts';
import { deployed } from '../deployment.ts';
import { everythingReady } from './ready.ts';

/** Deployed a second time: what Knative has written into the objects since is no conflict, and nothing is rolled out anew. */
export const again: Check = {
  name: 'again',
  async run(context) {
    const before = await revisions(context);
    await deployed(context.deployment, context.options);
    await everythingReady.run(context);
    deepEqual(await revisions(context), before);
    context.note(`${Object.keys(before).length} Services as they were`);
  },
};

async function revisions({ cluster, namespace }: Context): Promise<Record<string, string>> {
  const services = await cluster.list('services.serving.knative.dev', namespace);
  return Object.fromEntries(
    services.map(({ metadata, status }) => [metadata.name, status.latestCreatedRevisionName]),
  );
}
