import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BUILDS } from './builds.ts';
import { makeCopy } from './copy.ts';
import { type Outcome, tryBuild } from './trial.ts';

// npm run test:broken [-- --build <name> --seed <n>]: each promise is broken on purpose in a copy of the last commit,
// and whoever has to notice must. Fails when one of the broken builds survives.
const { values } = parseArgs({
  options: { build: { type: 'string', multiple: true }, seed: { type: 'string', default: '1' } },
});
const builds = BUILDS.filter(({ name }) => values.build?.includes(name) ?? true);
const log = join(mkdtempSync(join(tmpdir(), 'knarr-broken-log-')), 'broken.log');
console.log(`${builds.length} broken builds, seed ${values.seed}; what they say is in ${log}`);

const copy = makeCopy();
let survivors = 0;
try {
  for (const build of builds) {
    const outcome = await tryBuild(copy, build, Number(values.seed), log);
    if (!outcome.caught) survivors++;
    print(outcome);
  }
} finally {
  copy.remove();
}
console.log(`${builds.length - survivors} caught, ${survivors} survived`);
process.exit(survivors === 0 && builds.length > 0 ? 0 : 1);

function print({ build, places, caught, seen, seconds }: Outcome): void {
  const { name, edits, caughtBy, proves } = build;
  const by =
    'scenario' in caughtBy ? caughtBy.scenario : [caughtBy.file, caughtBy.test].filter(Boolean).join(': ');
  console.log(`${caught ? 'caught  ' : 'SURVIVED'} ${name} (${seconds} s): ${proves}`);
  for (const [index, place] of places.entries()) {
    const { from = '', to = '' } = edits[index] ?? {};
    console.log(`         ${place}: ${shown(from)} → ${shown(to)}`);
  }
  console.log(`         by ${by}: ${seen}`);
}

function shown(text: string): string {
  const line = text.trim().replace(/\s+/g, ' ');
  if (line === '') return '(nothing)';
  return line.length > 100 ? `${line.slice(0, 99)}…` : line;
}
