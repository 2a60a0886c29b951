import { availableParallelism } from 'node:os';
import { localClient } from '../../_shared/client.ts';
import type { Knobs } from '../../_shared/config.ts';
import type { Drift, EmbedInput, EmbedOutput, ReconcileInput } from '../../_shared/contracts.ts';
import { readGeneration } from '../../_shared/generation.ts';
import { type RunningStage, type RunOptions, runStage } from '../../_shared/runtime/run.ts';
import type { Publisher, Stage, StageClient } from '../../_shared/stage.ts';
import type { Metrics } from '../../_shared/telemetry/metrics.ts';
import { turns } from '../../_shared/turns.ts';
import { stage as embed } from '../../embed/index.ts';
import { stage as fetchStage } from '../../fetch/index.ts';
import { closeGateway, createGateway } from '../../gateway/deps.ts';
import { stage as gateway } from '../../gateway/index.ts';
import { stage as generate, openGenerator } from '../../generate/index.ts';
import { stage as index } from '../../index/index.ts';
import { stage as ingest } from '../../ingest/index.ts';
import { createRecover, stage as recover } from '../../recover/index.ts';
import { stage as search } from '../../search/index.ts';
import type { LocalConfig } from './config.ts';
import type { Parts } from './parts.ts';

export const STAGES = [gateway, ingest, embed, index, search, fetchStage, generate, recover] as const;

/**
 * Runs every stage over the shared parts, each calling the others in this process. `running` gets them by name,
 * `closers` what ends them. The gateway is returned.
 */
export async function runStages(
  { documents, access, vectors, originals, parser, encoder }: Parts,
  config: LocalConfig,
  options: RunOptions & { publisher: Publisher; metrics: Metrics },
  running: Map<string, RunningStage>,
  closers: (() => Promise<void>)[],
): Promise<RunningStage> {
  function run<Deps, In, Out, K extends Knobs>(
    stage: Stage<Deps, In, Out, K>,
    deps: Deps,
  ): RunningStage<In, Out> {
    const log = options.log.child({ stage: stage.name });
    const one = runStage(stage as unknown as Stage<Deps, In, Out>, deps, { ...options, log });
    running.set(stage.name, one as RunningStage);
    return one;
  }

  // More at once would only slow each other down, and one tenant's questions would stand in front of everybody's.
  const shared = turns({ max: availableParallelism() });
  const inTurn =
    <In, Out>(client: StageClient<In, Out>): StageClient<In, Out> =>
    (input, call) =>
      shared.run(call, () => client(input, call));
  const encoding = localClient<EmbedInput, EmbedOutput>(run(embed, { encoder }));
  const embedding = config.embed.backend === 'onnx' ? inTurn(encoding) : encoding;
  const generator = await openGenerator(config.generate, embedding);
  closers.push(() => generator.close());
  run(ingest, { documents, vectors, originals, parser });
  run(index, { documents, vectors });
  const stages = {
    embed: embedding,
    search: inTurn(localClient(run(search, { documents, vectors }))),
    fetch: inTurn(localClient(run(fetchStage, { documents }))),
    generate: localClient(run(generate, { generator })),
  };
  const recovering = localClient(
    run(recover, createRecover({ documents, vectors, originals }, config.recover, options.metrics)),
  );
  const reconcile: StageClient<ReconcileInput, Drift> = async (input, call) =>
    (await recovering(input, call)) as Drift;
  const { log, publisher } = options;
  const generation = readGeneration(config.generation);
  const edge = createGateway(
    { documents, access, originals, publisher, stages, reconcile, generation, log },
    config.gateway,
  );
  closers.push(() => closeGateway(edge));
  run(gateway, edge);
  return running.get('gateway') as RunningStage;
}
