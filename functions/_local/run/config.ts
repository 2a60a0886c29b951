import { z } from 'zod';
import {
  type Config,
  ConfigError,
  duration,
  type Knobs,
  knob,
  readConfig,
  redact,
} from '../../_shared/config.ts';
import { generationKnobs } from '../../_shared/generation.ts';
import { relayKnobs } from '../../_shared/outbox.ts';
import { runtimeKnobs } from '../../_shared/runtime/start.ts';
import { storeKnobs } from '../../_shared/stores/knobs.ts';
import { embedKnobs } from '../../embed/index.ts';
import { authKnobs, eventKnobs } from '../../gateway/auth/knobs.ts';
import { limitKnobs, uriKnobs } from '../../gateway/knobs.ts';
import { quotaKnobs } from '../../gateway/limits/knobs.ts';
import { generateKnobs } from '../../generate/index.ts';
import { parserKnobs } from '../../ingest/index.ts';
import { recoverKnobs } from '../../recover/index.ts';

export const localKnobs = {
  host: knob('HOST', z.string().min(1).default('127.0.0.1'), 'Address to listen on.'),
  port: runtimeKnobs.port,
  logLevel: runtimeKnobs.logLevel,
  drain: runtimeKnobs.drain,
  sweepEvery: knob('KNARR_SWEEP_EVERY', duration('15s'), 'How often work that stands still is looked for.'),
  reconcileEvery: knob(
    'KNARR_RECONCILE_EVERY',
    duration('1h'),
    'How often ledger and vector store are compared.',
  ),
};

/** Everything the one process reads, by whom it is for: two stages may use the same name for different variables. */
export const knobGroups = {
  local: { ...localKnobs, ...relayKnobs },
  stores: storeKnobs,
  generation: generationKnobs,
  gateway: { ...limitKnobs, ...uriKnobs, ...quotaKnobs, ...authKnobs, ...eventKnobs },
  ingest: parserKnobs,
  embed: embedKnobs,
  generate: generateKnobs,
  recover: recoverKnobs,
} satisfies Record<string, Knobs>;

type Groups = typeof knobGroups;
export type LocalConfig = { readonly [Group in keyof Groups]: Config<Groups[Group]> };

/** Reads every group. Throws one {@link ConfigError} that lists the problems of all. */
export function readLocalConfig(env: Record<string, string | undefined>): {
  config: LocalConfig;
  shown: Record<string, unknown>;
} {
  const problems = new Set<string>();
  const config: Record<string, unknown> = {};
  const shown: Record<string, unknown> = {};
  for (const [group, knobs] of Object.entries<Knobs>(knobGroups)) {
    try {
      const values = readConfig(knobs, env);
      config[group] = values;
      Object.assign(shown, redact(knobs, values));
    } catch (thrown) {
      if (!(thrown instanceof ConfigError)) throw thrown;
      for (const problem of thrown.problems) problems.add(problem);
    }
  }
  if (problems.size > 0) throw new ConfigError([...problems]);
  return { config: config as unknown as LocalConfig, shown };
}
