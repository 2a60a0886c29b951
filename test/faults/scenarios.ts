import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BOUNDARIES } from './boundaries.ts';
import type { Scenario, Trial } from './context.ts';
import { applyLoad } from './load.ts';
import { send } from './prober.ts';
import { keepAlive } from './system.ts';

/** 10,000 documents at scale 100: updates, deletes, and the process restarted in order again and again. */
const restarts: Scenario = {
  name: 'rolling-restarts',
  tenants: 5,
  async run(trial) {
    const { system, scale } = trial;
    let done = false;
    const load = applyLoad(trial, { documents: Math.ceil(100 * scale), updates: 0.2, deletes: 0.1 }).finally(
      () => {
        done = true;
      },
    );
    let count = 0;
    while (!done) {
      await Promise.race([load, sleep(scale > 10 ? 10_000 : 1500)]);
      if (done) break;
      await system.stop();
      await system.start();
      count++;
    }
    await load;
    return { restarts: count };
  },
};

/** Killed at every boundary, at different times of its work. */
const boundaries: Scenario = {
  name: 'kill-at-boundaries',
  async run(trial) {
    const { system, random, scale } = trial;
    const times = scale > 1 ? 20 : 1;
    let n = 0;
    for (const killAt of BOUNDARIES) {
      for (let time = 0; time < times; time++) {
        const before = system.deaths;
        await system.stop();
        system.faults = { killAt, killAfter: 1 + random.below(4) };
        await system.start();
        const revive = keepAlive(system, () => {
          system.faults = {};
        });
        await applyLoad(trial, {
          documents: 8,
          updates: 0.5,
          deletes: 0.2,
          lanes: 4,
          prefix: `${killAt}-${time}-`,
        });
        // What happens after the answer may come a moment later.
        for (let waited = 0; system.deaths === before && waited < 10_000; waited += 50) await sleep(50);
        await revive();
        n += system.deaths - before;
        if (system.deaths === before) throw new Error(`It was not killed at ${killAt}.`);
        system.faults = {};
      }
    }
    return { kills: n };
  },
};

/** Killed at any moment, under load. */
const randomKills: Scenario = {
  name: 'kill-at-random',
  tenants: 3,
  async run(trial) {
    const { system, random, scale } = trial;
    const kills = scale > 1 ? 100 : 3;
    const revive = keepAlive(system);
    let wave = 0;
    while (system.deaths < kills) {
      const load = applyLoad(trial, { documents: 40, updates: 0.3, deletes: 0.1, prefix: `w${wave++}-` });
      await sleep(200 + random.below(1500));
      system.kill('SIGKILL');
      await load;
    }
    await revive();
    return { kills: system.deaths };
  },
};

/** The broker forgets everything, again and again. */
const wipes: Scenario = {
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
    return { wipes: count };
  },
};

const lossy: Scenario = {
  name: 'broker-loses',
  faults: { dropEvents: 0.05, dropDeadLetters: 0.5 },
  async run(trial) {
    await applyLoad(trial, { documents: Math.ceil(120 * trial.scale), updates: 0.2, deletes: 0.1 });
    return {};
  },
};

const repeated: Scenario = {
  name: 'delivered-five-times',
  faults: { repeat: 5, jitterMs: 30 },
  async run(trial) {
    await applyLoad(trial, { documents: Math.ceil(60 * trial.scale), updates: 0.3, deletes: 0.1, lanes: 50 });
    return {};
  },
};

/** v1 … v10 of each document and some deletions, all at once, and every event late by another while. */
const shuffled: Scenario = {
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
const poison: Scenario = {
  name: 'poison',
  faults: { poison: 'venomous' },
  async run(trial) {
    const { system, prober, tenants, scale, folder } = trial;
    await system.stop();
    const fixed = join(folder, 'fixed');
    system.faults = { poison: 'venomous', fixed };
    await system.start();
    const count = Math.ceil(100 * scale);
    const poisoned = Math.max(2, Math.floor(count / 100));
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
    if (found.length !== poisoned) throw new Error(`${found.length} dead letters for ${poisoned} documents`);
    if (found.some((letter: { message: string }) => !letter.message.includes('cannot be embedded')))
      throw new Error('A dead letter does not say why.');
    await writeFile(fixed, '');
    const answer = await send(system.url, tenant, 'POST', '/v1/dead-letters:replay', {});
    await waitIndexed(trial, tenant, poisoned);
    if ((await letters()).length > 0) throw new Error('Dead letters are left after the replay.');
    return { poisoned, replayed: answer?.body?.replayed ?? 0 };
  },
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
      if (waited > 60_000) throw new Error(`bad-${n} is ${answer?.body?.state} after the replay.`);
      await sleep(100);
    }
  }
}

/** Told to end with 200 requests at work: each is done, or refused before it had any effect. */
const sigterm: Scenario = {
  name: 'sigterm-in-flight',
  async run(trial) {
    const { system, tenants, ledger, scale } = trial;
    const counts = { answered: 0, refused: 0, broken: 0 };
    for (let time = 0; time < (scale > 1 ? 5 : 1); time++) {
      const [tenant] = tenants as [(typeof tenants)[number]];
      // Connections first: a client that is only about to connect is not in flight.
      await Promise.all(
        Array.from({ length: 200 }, () => send(system.url, tenant, 'GET', '/health/liveness')),
      );
      const requests = Array.from({ length: 200 }, async (_, n) => {
        const document = `t${time}-${n}`;
        const marker = `zqterm${time}x${n.toString(36)}`;
        const act = ledger.begin({ tenant: tenant.name, document, kind: 'put', marker });
        const answer = await send(system.url, tenant, 'PUT', `/v1/documents/${document}`, {
          text: `This is ${marker}.`,
        });
        if (answer === undefined) counts.broken++;
        else if (answer.status === 503) counts.refused++;
        else {
          counts.answered++;
          ledger.acknowledge(act, answer.body.version);
        }
      });
      await sleep(40);
      await system.stop();
      await Promise.all(requests);
      await system.start();
    }
    if (counts.broken > 0) throw new Error(`${counts.broken} requests got no answer.`);
    return counts;
  },
};

export const SCENARIOS: readonly Scenario[] = [
  restarts,
  boundaries,
  randomKills,
  sigterm,
  wipes,
  lossy,
  repeated,
  shuffled,
  poison,
];
