import { parseArgs } from 'node:util';
import { machine } from '../../bench/machine.ts';
import { type Report, runScenario, type Store, storesHere } from './context.ts';
import { SCENARIOS } from './scenarios.ts';

// npm run test:faults [-- --scenario <name> --store pglite|postgres --seed <n> --scale <n> --minutes <n>]
const { values } = parseArgs({
  options: {
    scenario: { type: 'string', multiple: true },
    store: { type: 'string', multiple: true },
    seed: { type: 'string' },
    scale: { type: 'string', default: '1' },
    minutes: { type: 'string' },
  },
});
const scenarios = SCENARIOS.filter(({ name }) => values.scenario?.includes(name) ?? true);
const stores = (values.store as Store[] | undefined) ?? storesHere();
const until = values.minutes === undefined ? 0 : Date.now() + Number(values.minutes) * 60_000;
let seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
let violations = 0;

console.log(`faults: ${machine()}`);
do {
  for (const store of stores) {
    for (const scenario of scenarios.filter(({ stores: on }) => on?.includes(store) ?? true)) {
      const report = await runScenario(scenario, { store, seed, scale: Number(values.scale) });
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
  verdict,
  seed: used,
}: Report) {
  const { ended, repaired, examples, ...kinds } = verdict;
  console.log(
    `${found === 0 ? 'ok    ' : 'FAILED'} ${scenario} on ${store}, seed ${used}, ${seconds} s: ` +
      `${acknowledged} acknowledged, faults ${JSON.stringify(faults)}, ended ${JSON.stringify(ended)}, ` +
      `repaired ${JSON.stringify(repaired)}, violations ${JSON.stringify(kinds)}`,
  );
  for (const example of examples) console.log(`       ${example}`);
}
