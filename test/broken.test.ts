import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { lineOf } from './faults/broken/build.ts';
import { BUILDS } from './faults/broken/builds.ts';
import { SCENARIOS } from './faults/scenarios.ts';

// `npm run test:broken` breaks them and sees who notices; this keeps its list in step with the code.

test.each(BUILDS.map((build) => [build.name, build] as const))('%s', (_, { edits, caughtBy }) => {
  for (const edit of edits) {
    expect(lineOf(readFileSync(edit.file, 'utf8'), edit)).toBeGreaterThan(0);
    expect(edit.to).not.toBe(edit.from);
  }
  if ('file' in caughtBy) expect(readFileSync(caughtBy.file, 'utf8')).toContain('vitest');
});

test('each has a name of its own, and each scenario one that it has to notice', () => {
  expect(new Set(BUILDS.map(({ name }) => name)).size).toBe(BUILDS.length);
  const noticed = new Set(
    BUILDS.flatMap(({ caughtBy }) => ('scenario' in caughtBy ? [caughtBy.scenario] : [])),
  );
  expect(SCENARIOS.map(({ name }) => name).filter((name) => !noticed.has(name))).toEqual([]);
});
