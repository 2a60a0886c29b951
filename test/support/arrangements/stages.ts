import { randomBytes } from 'node:crypto';
import type { StageName } from '../../../functions/_shared/stage.ts';
import { startProgram } from '../program.ts';
import { builtStage, ensureBuilt } from './build.ts';
import type { SharedStores } from './stores.ts';
import { sinkOf } from './topology.ts';

/** A stage that answers at `url`. */
export interface RunningProcess {
  url: string;
  stop(): Promise<void>;
}

/** Runs a stage's built folder in one way or another; `env` says what it is configured with. */
export type RunStage = (stage: StageName, env: Record<string, string>) => Promise<RunningProcess>;

/** A process of its own on a free port of loopback. */
export const onLoopback: RunStage = async (stage, env) => {
  const program = startProgram(process.execPath, ['start.js'], {
    cwd: builtStage(stage),
    env: { ...env, PORT: '0', LOG_LEVEL: 'info' },
  });
  const [, url = ''] = await program.said(/"url":"([^"]+)","msg":"listening"/).catch(async (thrown) => {
    await program.stop();
    throw thrown;
  });
  return { url, stop: () => program.stop() };
};

/** What all stages of an arrangement have, and nobody else. */
export const STAGE_KEY = randomBytes(32).toString('hex');

const ASKED: readonly StageName[] = ['embed', 'search', 'fetch', 'generate', 'recover'];

/**
 * Every stage as a process of its own over the same stores, each told of the others as the manifests do. `sink` is the
 * Broker that events go to; `sendDeadLetters`: it leaves to the stages what they refuse. Answers the stages' addresses.
 */
export async function startStages(
  run: RunStage,
  stores: SharedStores,
  sink: string,
  closers: (() => unknown)[],
  { sendDeadLetters = false } = {},
): Promise<Record<StageName, string>> {
  await ensureBuilt();
  const env: Record<string, string> = {
    ...stores.env,
    KNARR_EMBED_WORKERS: '1',
    KNARR_STAGE_KEY: STAGE_KEY,
  };
  const urls: Partial<Record<StageName, string>> = {};
  const start = async (stage: StageName, more: Record<string, string> = {}) => {
    const process = await run(stage, { ...env, ...sinkOf(stage, sink), ...more });
    closers.push(() => process.stop());
    urls[stage] = process.url;
  };
  await start('recover');
  if (sendDeadLetters) env.KNARR_DEAD_LETTER_SINK = urls.recover as string;
  await start('embed');
  const embed = { KNARR_EMBED_URL: urls.embed as string };
  const rest: StageName[] = ['ingest', 'index', 'search', 'fetch'];
  await Promise.all([...rest.map((stage) => start(stage)), start('generate', embed)]);
  const asked = ASKED.map((stage) => [`KNARR_${stage.toUpperCase()}_URL`, urls[stage]]);
  const edge = {
    KNARR_AUTH: 'keys',
    KNARR_EVENTS_AUTH: 'trust',
    KNARR_OPERATOR_TENANT: 'default',
    ...Object.fromEntries(asked),
  };
  await start('gateway', edge);
  return urls as Record<StageName, string>;
}
