import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Breach } from '../breach.ts';
import type { Scenario, Trial } from '../context.ts';
import { applyLoad } from '../load.ts';
import { send } from '../prober.ts';
import { quiet } from './stores.ts';

/** The broker forgets everything, again and again. */
export const wipes: Scenario = {
  name: 'broker-wiped',
  async run(trial) {
    const { system, scale } = trial;
    const times = scale > 1 ? 20 : 2;
    let count = 0;
    for (let time = 0; time < times; time++) {
      const load = applyLoad(trial, { documents: 40, updates: 0.2, deletes: 0.1, prefix: `w${time}-` });
      await sleep(150);
      system.kill('SIGUSR2');
      count++;
      await load;
    }
    // What is found by now is deleted, and the broker forgets that.
    await quiet(trial);
    system.kill('SIGUSR2');
    count++;
    await applyLoad(trial, { documents: 10, updates: 0, deletes: 1, prefix: 'w0-' });
    return { wipes: count };
  },
};

export const lossy: Scenario = {
  name: 'broker-loses',
  faults: { dropEvents: 0.05, dropDeadLetters: 0.5 },
  async run(trial) {
    await applyLoad(trial, { documents: Math.ceil(120 * trial.scale), updates: 0.2, deletes: 0.1 });
    return {};
  },
};

export const repeated: Scenario = {
  name: 'delivered-five-times',
  faults: { repeat: 5, jitterMs: 30 },
  async run(trial) {
    const documents = Math.ceil(60 * trial.scale);
    await applyLoad(trial, { documents, updates: 0.3, deletes: 0.1, lanes: 50 });
    // Once more for those that are found by now: what they said has to go.
    await quiet(trial);
    await applyLoad(trial, { documents: Math.ceil(documents / 2), updates: 0, deletes: 0.3, lanes: 50 });
    return {};
  },
};

/** v1 … v10 of each document and some deletions, all at once, and every event late by another while. */
export const shuffled: Scenario = {
  name: 'out-of-order',
  faults: { jitterMs: 400 },
  async run({ prober, tenants, random, scale }) {
    const documents = Array.from({ length: Math.ceil(10 * scale) }, (_, n) => `d${n}`);
    const acts = documents.flatMap((document) => {
      const tenant = random.pick(tenants);
      const puts = Array.from({ length: 10 }, () => () => prober.put(tenant, document));
      return random.chance(0.5) ? [...puts, () => prober.remove(tenant, document)] : puts;
    });
    const rest = random.shuffle(acts);
    const lane = async () => {
      for (let act = rest.shift(); act; act = rest.shift()) {
        // A deletion of what is not there yet is no act at all.
        await act().catch((error: Error) => {
          if (!error.message.includes('404')) throw error;
        });
      }
    };
    await Promise.all(Array.from({ length: 16 }, lane));
    return {};
  },
};

/** 1 % of the documents cannot be processed; the others are not held up, and a replay after the fix ends them all. */
export const poison: Scenario = {
  name: 'poison',
  faults: { poison: 'venomous' },
  async run(trial) {
    const { system, prober, tenants, scale, folder } = trial;
    await system.stop();
    const fixed = join(folder, 'fixed');
    system.faults = { ...system.faults, fixed };
    await system.start();
    const count = Math.ceil(100 * scale);
    // Of few dead letters none might vanish.
    const poisoned = Math.max(system.faults.dropDeadLetters ? 10 : 2, Math.floor(count / 100));
    const [tenant] = tenants as [(typeof tenants)[number]];
    await Promise.all(
      Array.from({ length: poisoned }, (_, n) => prober.put(tenant, `bad-${n}`, 'It is venomous.')),
    );
    await applyLoad(trial, { documents: count - poisoned, updates: 0, deletes: 0 });
    const letters = async () =>
      (await send(system.url, tenant, 'GET', '/v1/dead-letters?limit=1000'))?.body?.dead_letters ?? [];
    for (let waited = 0; (await letters()).length < poisoned && waited < 60_000; waited += 200)
      await sleep(200);
    const found = await letters();
    if (found.length !== poisoned) throw new Breach(`${found.length} dead letters for ${poisoned} documents`);
    if (found.some((letter: { message: string }) => !letter.message.includes('cannot be embedded')))
      throw new Breach('A dead letter does not say why.');
    for (let n = 0; n < poisoned; n++) {
      const document = (await send(system.url, tenant, 'GET', `/v1/documents/bad-${n}`))?.body;
      if (document?.state !== 'dead_lettered' || !document.error?.message.includes('cannot be embedded'))
        throw new Breach(
          `bad-${n} is ${document?.state} with the reason ${JSON.stringify(document?.error)}.`,
        );
    }
    await writeFile(fixed, '');
    const answer = await send(system.url, tenant, 'POST', '/v1/dead-letters:replay', {});
    await waitIndexed(trial, tenant, poisoned);
    if ((await letters()).length > 0) throw new Breach('Dead letters are left after the replay.');
    return { poisoned, replayed: answer?.body?.replayed ?? 0 };
  },
};

/** Half of the dead letters vanish: what they told of is sent off again until one is heard. */
export const unheard: Scenario = {
  ...poison,
  name: 'dead-letters-lost',
  faults: { poison: 'venomous', dropDeadLetters: 0.5 },
};

async function waitIndexed(
  { system }: Trial,
  tenant: Trial['tenants'][number],
  poisoned: number,
): Promise<void> {
  for (let n = 0; n < poisoned; n++) {
    for (let waited = 0; ; waited += 100) {
      const answer = await send(system.url, tenant, 'GET', `/v1/documents/bad-${n}`);
      if (answer?.body?.state === 'indexed') break;
      if (waited > 60_000) throw new Breach(`bad-${n} is ${answer?.body?.state} after the replay.`);
      await sleep(100);
    }
  }
}
