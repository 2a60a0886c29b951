import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Ledger } from '../../faults/ledger.ts';
import { applyLoad } from '../../faults/load.ts';
import { judge, VIOLATIONS } from '../../faults/oracle.ts';
import { createProber } from '../../faults/prober.ts';
import type { Check, Context } from '../context.ts';
import { stagePods } from '../reach.ts';

/** Between two kills, milliseconds. */
const PAUSE_MS = 1_500;
/** What was lost with the Broker's memory is sent off again by the timer, every five minutes. */
const SETTLE_MS = 900_000;

/** Pods are killed while documents are put, changed and deleted; an oracle with its own ledger judges. */
export const kills: Check = {
  name: 'kills',
  async run(context) {
    const { url, tenants, random, options, figures, note } = context;
    const folder = await mkdtemp(join(tmpdir(), 'knarr-cluster-'));
    const ledger = new Ledger(join(folder, 'ledger.jsonl'));
    let clean = false;
    try {
      const prober = createProber(url, ledger, random);
      const load = { documents: options.documents, updates: 0.5, deletes: 0.2, lanes: 4 };
      const killed: string[] = [];
      await whileKilling(context, killed, async () => {
        for (let round = 0; killed.length < options.kills; round++)
          await applyLoad({ prober, tenants, random }, { ...load, prefix: `killed-${round}-` });
      });
      const verdict = await judge(url, tenants, ledger, { settleMs: SETTLE_MS });
      const violations = VIOLATIONS.reduce((sum, kind) => sum + verdict[kind], 0);
      note(`ended ${JSON.stringify(verdict.ended)}, repaired ${JSON.stringify(verdict.repaired)}`);
      figures.add(
        'acknowledged changes lost while pods were killed',
        `${violations} of ${ledger.acknowledged}`,
        `${killed.length} pods of ${new Set(killed).size} Services killed, ${prober.retries} requests repeated`,
      );
      assert.equal(violations, 0, verdict.examples.join('\n       '));
      clean = true;
    } finally {
      ledger.close();
      if (clean) await rm(folder, { recursive: true, force: true });
      else note(`the ledger is in ${folder}`);
    }
  },
};

/** Kills a pod of some stage every moment, without letting it finish, until `work` is done. `killed`: whose they were. */
async function whileKilling(
  { cluster, namespace, random }: Context,
  killed: string[],
  work: () => Promise<void>,
): Promise<void> {
  let isDone = false;
  const killing = (async () => {
    while (!isDone) {
      await sleep(PAUSE_MS);
      const pods = await stagePods(cluster, namespace);
      if (isDone || pods.length === 0) continue;
      const { name, service } = random.pick(pods);
      await cluster.text(
        ...['delete', 'pod', name, '--namespace', namespace, '--ignore-not-found'],
        ...['--grace-period', '0', '--force', '--wait=false'],
      );
      killed.push(service);
    }
  })();
  try {
    await work();
  } finally {
    isDone = true;
    await killing;
  }
}
