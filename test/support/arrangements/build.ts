import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { STAGES, type StageName } from '../../../functions/_shared/stage.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const BUILD = new URL('../../../scripts/build/functions.mjs', import.meta.url).href;

/** A stage's folder as `npm run build` leaves it. */
export const builtStage = (stage: StageName) => join(ROOT, 'dist/functions', stage);

/** Builds dist/functions where it is missing or older than its sources, which it is not after `npm test` has begun. */
export async function ensureBuilt(): Promise<void> {
  const sources = readdirSync(join(ROOT, 'functions'), { recursive: true, encoding: 'utf8' });
  const newest = Math.max(
    ...sources
      .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
      .map((path) => statSync(join(ROOT, 'functions', path)).mtimeMs),
  );
  const built = STAGES.map((stage) => join(builtStage(stage), 'index.js'));
  if (built.every((path) => existsSync(path) && statSync(path).mtimeMs > newest)) return;
  const { buildFunctions } = await import(BUILD);
  await buildFunctions();
}
