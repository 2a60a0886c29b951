import { setTimeout as sleep } from 'node:timers/promises';
import { BOUNDARIES } from '../boundaries.ts';
import { Breach } from '../breach.ts';
import type { Scenario } from '../context.ts';
import { applyLoad } from '../load.ts';
import { send } from '../prober.ts';
import { keepAlive } from '../system.ts';

/** 10,000 documents at scale 100: updates, deletes, and the process restarted in order again and again. */
export const restarts: Scenario = {
  name: 'rolling-restarts',
  tenants: 5,
  async run(trial) {
    const { system, scale } = trial;
    let done = false;
    let acts = 0;
    const load = applyLoad(trial, {
      ...{ documents: Math.ceil(100 * scale), updates: 0.2, deletes: 0.1 },
      onAct: () => acts++,
    }).finally(() => {
      done = true;
    });
    let count = 0;
    while (!done) {
      if (scale > 10) await Promise.race([load, sleep(10_000)]);
      // Right after some were acknowledged: they are on their way.
      for (const enough = acts + 25; !done && acts < enough; ) await sleep(5);
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
export const boundaries: Scenario = {
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
export const randomKills: Scenario = {
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

/** Told to end with 200 requests at work: each is done, or refused before it had any effect. */
export const sigterm: Scenario = {
  name: 'sigterm-in-flight',
  async run(trial) {
    const { system, tenants, ledger, scale } = trial;
    const counts = { answered: 0, refused: 0, broken: 0 };
    const refused: string[] = [];
    for (let time = 0; time < (scale > 1 ? 5 : 1); time++) {
      const [tenant] = tenants as [(typeof tenants)[number]];
      // Connections first: a client that is only about to connect is not in flight.
      await Promise.all(
        Array.from({ length: 200 }, () => send(system.url, tenant, 'GET', '/health/liveness')),
      );
      const requests = Array.from({ length: 200 }, async (_, n) => {
        const document = `t${time}-${n}`;
        const marker = `zqterm${time}x${n.toString(36).padStart(2, '0')}`;
        const act = ledger.begin({ tenant: tenant.name, document, kind: 'put', marker });
        const answer = await send(system.url, tenant, 'PUT', `/v1/documents/${document}`, {
          text: `This is ${marker}.`,
        });
        if (answer === undefined) counts.broken++;
        else if (answer.status === 503) {
          counts.refused++;
          refused.push(document);
        } else {
          counts.answered++;
          ledger.acknowledge(act, answer.body.version);
        }
      });
      await sleep(40);
      await system.stop();
      await Promise.all(requests);
      await system.start();
      for (const document of refused.splice(0)) {
        const answer = await send(system.url, tenant, 'GET', `/v1/documents/${document}`);
        if (answer?.status !== 404) throw new Breach(`${document} was refused, and is there.`);
      }
    }
    if (counts.broken > 0) throw new Breach(`${counts.broken} requests got no answer.`);
    return counts;
  },
};
