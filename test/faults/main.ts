import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { machine } from '../../bench/machine.ts';
import { type Report, runScenario, type Store, storesHere } from './context.ts';
import { SCENARIOS } from './scenarios.ts';

// npm run test:faults [-- --scenario <name> --store pglite|postgres --seed <n> --scale <n> --minutes <n>
//   --settle <seconds> (how long the system may take to come to rest) --report <file> (the reports as JSON, one a line)]
const { values } = parseArgs({
  options: {
    scenario: { type: 'string', multiple: true },
    store: { type: 'string', multiple: true },
    seed: { type: 'string' },
    scale: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    settle: { type: 'string' },
    report: { type: 'string' },
  },
});
const scenarios = SCENARIOS.filter(({ name }) => values.scenario?.includes(name) ?? true);
const stores = (values.store as Store[] | undefined) ?? storesHere();
const until = values.minutes === undefined ? 0 : Date.now() + Number(values.minutes) * 60_000;
let seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
const settleMs = values.settle === undefined ? undefined : Number(values.settle) * 1000;
let violations = 0;

console.log(`faults: ${machine()}`);
do {
  for (const store of stores) {
    for (const scenario of scenarios.filter(({ stores: on }) => on?.includes(store) ?? true)) {
      const report = await runScenario(scenario, { store, seed, scale: Number(values.scale), settleMs });
      if (values.report) appendFileSync(values.report, `${JSON.stringify(report)}\n`);
      violations += report.violations;
      print(report);
    }
  }
  seed++;
} while (Date.now() < until);
process.exit(violations === 0 ? 0 : 1);

function print({
  scenario,
  store,
  seconds,
  acknowledged,
  faults,
  violations: found,
  breach,
  verdict,
  seed: used,
}: Report) {
  const head =
    `${found === 0 ? 'ok    ' : 'FAILED'} ${scenario} on ${store}, seed ${used}, ${seconds} s: ` +
    `${acknowledged} acknowledged, faults ${JSON.stringify(faults)}`;
  if (!verdict) {
    console.log(`${head}, ${breach}`);
    return;
  }
  const { ended, repaired, examples, ...kinds } = verdict;
  console.log(
    `${head}, ended ${JSON.stringify(ended)}, ${repaired ? `repaired ${JSON.stringify(repaired)}, ` : ''}` +
      `violations ${JSON.stringify(kinds)}`,
  );
  for (const example of examples) console.log(`       ${example}`);
}
