import { describe, expect, test } from 'vitest';
import { runScenario, type Store } from './faults/context.ts';
import { SCENARIOS } from './faults/scenarios.ts';
import { postgresMissing } from './support/postgres.ts';

// The short form; `npm run test:faults` is the long one.
const SHORT: Record<Store, readonly string[]> = {
  pglite: [
    'kill-at-boundaries',
    'sigterm-in-flight',
    'broker-loses',
    'delivered-five-times',
    'out-of-order',
    'poison',
    'slow-consumer',
  ],
  postgres: ['kill-at-boundaries', 'broker-wiped', 'out-of-order', 'frozen-stage'],
};
const MINUTES = 60_000;

describe.each(['pglite', 'postgres'] as const)('faults on %s', (store) => {
  const missing = store === 'postgres' ? postgresMissing() : undefined;
  for (const name of SHORT[store]) {
    const scenario = SCENARIOS.find((one) => one.name === name);
    test.skipIf(missing)(
      `${name}${missing ? `: ${missing}` : ''}`,
      async () => {
        if (!scenario) throw new Error(`There is no scenario ${name}.`);
        const seed = Number(process.env.KNARR_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
        console.log(`${name} on ${store}: seed ${seed}`);
        const report = await runScenario(scenario, { store, seed, scale: 0.4 });
        expect(report.acknowledged).toBeGreaterThan(0);
        expect(report.breach ?? report.verdict?.examples).toEqual([]);
        expect(report.violations).toBe(0);
      },
      10 * MINUTES,
    );
  }
});
