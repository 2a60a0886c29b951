import { z } from 'zod';
import { httpPublisher } from '../client.ts';
import {
  bytes,
  type Config,
  ConfigError,
  duration,
  integer,
  type Knobs,
  knob,
  readConfig,
  redact,
  url,
} from '../config.ts';
import type { Stage } from '../stage.ts';
import { createLogger, LOG_LEVELS } from '../telemetry/log.ts';
import { type RunningStage, runStage } from './run.ts';
import { type Served, serve } from './serve.ts';

/** What every process of a stage reads, whatever the stage. */
export const runtimeKnobs = {
  port: knob('PORT', integer(8080, 0, 65_535), 'Port to listen on; 0 takes a free one.'),
  logLevel: knob('LOG_LEVEL', z.enum(LOG_LEVELS).default('info'), 'Lowest level that is logged.'),
  service: knob(
    'K_SERVICE',
    z.string().optional(),
    'Set by Knative Serving; the process then listens on every interface.',
  ),
  sink: knob('K_SINK', url(), "The Broker's ingress, for events that cannot be the reply."),
  maxBodyBytes: knob('KNARR_MAX_BODY_BYTES', bytes('1MiB'), 'Largest request body, after decompression.'),
  drain: knob('KNARR_DRAIN_TIMEOUT', duration('25s'), 'Longest wait for requests in flight at shutdown.'),
};

/** Opens a stage from the environment. `close` releases its dependencies. */
export async function openStage<Deps, In, Out, K extends Knobs>(
  stage: Stage<Deps, In, Out, K>,
  env: Record<string, string | undefined>,
): Promise<{
  running: RunningStage<In, Out>;
  config: Config<typeof runtimeKnobs>;
  close: () => Promise<void>;
}> {
  // Stock func runtimes name these two otherwise.
  const aliased = { ...env, PORT: env.PORT ?? env.FUNC_PORT, LOG_LEVEL: env.LOG_LEVEL ?? env.FUNC_LOG_LEVEL };
  const knobs = { ...runtimeKnobs, ...stage.knobs };
  const config = readConfig(knobs, aliased) as Config<typeof runtimeKnobs> & Config<K>;
  const log = createLogger(config.logLevel, { stage: stage.name });
  const deps = await stage.open(config, { log });
  const running = runStage(stage as unknown as Stage<Deps, In, Out>, deps, {
    log,
    publisher: config.sink === undefined ? undefined : httpPublisher(config.sink),
    config: redact(knobs, config as never),
    maxBodyBytes: stage.maxBodyBytes ?? config.maxBodyBytes,
  });
  return { running, config, close: async () => stage.close?.(deps) };
}

/** A process of one stage: opens it, serves it, and on SIGTERM or SIGINT drains and exits. */
export async function start<Deps, In, Out, K extends Knobs>(
  stage: Stage<Deps, In, Out, K>,
  env: Record<string, string | undefined>,
): Promise<Served> {
  const { running, config, close } = await openStage(stage, env).catch((thrown: unknown) => {
    if (!(thrown instanceof ConfigError)) throw thrown;
    process.stderr.write(`${thrown.message}\n`);
    process.exit(78); // EX_CONFIG
  });
  const hostname = config.service === undefined ? '127.0.0.1' : '0.0.0.0';
  const served = await serve(running, { port: config.port, hostname, drainMs: config.drain });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, async () => {
      await served.close();
      await close();
      process.exit(0);
    });
  }
  return served;
}
