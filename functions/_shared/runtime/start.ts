import { z } from 'zod';
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
import { httpPublisher } from '../publisher.ts';
import type { Logger, Stage } from '../stage.ts';
import { checks, stageKeyKnob } from '../stage-key.ts';
import { createLogger, LOG_LEVELS } from '../telemetry/log.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { type RunningStage, runStage } from './run.ts';
import { type Served, serve } from './serve.ts';
import { openPatiently } from './wait.ts';

/** What every process of a stage reads, whatever the stage. */
export const runtimeKnobs = {
  port: knob('PORT', integer(8080, 0, 65_535), 'Port to listen on; 0 takes a free one.'),
  logLevel: knob('LOG_LEVEL', z.enum(LOG_LEVELS).default('info'), 'Lowest level that is logged.'),
  service: knob(
    'K_SERVICE',
    z.string().optional(),
    'Set by Knative Serving; the process then listens on every interface.',
  ),
  stageKey: stageKeyKnob,
  sink: knob('K_SINK', url(), "The Broker's ingress, for events that cannot be the reply."),
  publishTimeout: knob(
    'KNARR_PUBLISH_TIMEOUT',
    duration('30s'),
    'Longest wait for the Broker to take an event. An in-memory Broker answers only when it has delivered the event or given it up, and forgets an event whose producer no longer waits: there longer than its retries, up to 5m.',
  ),
  deadLetterSink: knob(
    'KNARR_DEAD_LETTER_SINK',
    url(),
    "Where the stage itself sends events that it refuses for good: with Knative's RabbitMQ Broker, which counts a refusal as a delivery, the address of recover. Unset: the Broker does it.",
  ),
  overrides: knob(
    'K_CE_OVERRIDES',
    z.string().default('{}').transform(readOverrides),
    'Extensions for every event sent to K_SINK, as a SinkBinding sets them: {"extensions": {"name": "value"}}.',
  ),
  maxBodyBytes: knob(
    'KNARR_MAX_BODY_BYTES',
    bytes('0'),
    'Largest request body, after decompression; 0: what the stage needs (1 MiB unless it says otherwise).',
  ),
  drain: knob('KNARR_DRAIN_TIMEOUT', duration('25s'), 'Longest wait for requests in flight at shutdown.'),
};

function readOverrides(text: string, context: z.RefinementCtx): Record<string, string> {
  const schema = z.object({
    extensions: z.record(z.string().regex(/^[a-z0-9]+$/), z.string()).default({}),
  });
  try {
    return schema.parse(JSON.parse(text)).extensions;
  } catch {
    context.addIssue({ code: 'custom', message: 'expected {"extensions": {"name": "value"}}' });
    return z.NEVER;
  }
}

/** The stock func runtime has names of its own for some knobs. */
export const withAliases = (env: Record<string, string | undefined>) => ({
  ...env,
  PORT: env.PORT ?? env.FUNC_PORT,
  LOG_LEVEL: env.LOG_LEVEL ?? env.FUNC_LOG_LEVEL,
  KNARR_MAX_BODY_BYTES: env.KNARR_MAX_BODY_BYTES ?? env.FUNC_BODY_LIMIT,
});

/**
 * Opens a stage from the environment. `listensOn` says where it will be reachable (`''`: at every address), which the
 * stage may refuse. `close` releases its dependencies.
 */
export async function openStage<Deps, In, Out, K extends Knobs>(
  stage: Stage<Deps, In, Out, K>,
  env: Record<string, string | undefined>,
  listensOn: (config: Config<typeof runtimeKnobs>) => string,
): Promise<{
  running: RunningStage<In, Out>;
  config: Config<typeof runtimeKnobs>;
  log: Logger;
  close: () => Promise<void>;
}> {
  const knobs = { ...runtimeKnobs, ...stage.knobs };
  const config = readConfig(knobs, withAliases(env)) as Config<typeof runtimeKnobs> & Config<K>;
  if (config.service !== undefined && config.stageKey === undefined) {
    const reason =
      'on Knative anybody in the cluster can reach a stage; docs/security.md tells how to make one';
    throw new ConfigError([`${stageKeyKnob.env} (unset): ${reason}`]);
  }
  stage.checkAddress?.(listensOn(config), config);
  const log = createLogger(config.logLevel, { stage: stage.name });
  if (config.service !== undefined && !checks(config.stageKey)) {
    log.warn({}, 'KNARR_STAGE_KEY ends in none: whoever reaches this stage is believed');
  }
  const metrics = createMetrics();
  const deps = await stage.open(config, { log, metrics });
  const running = runStage(stage as unknown as Stage<Deps, In, Out>, deps, {
    log,
    metrics,
    publisher:
      config.sink === undefined
        ? undefined
        : httpPublisher(config.sink, {
            timeout: config.publishTimeout,
            extensions: config.overrides,
            key: config.stageKey,
          }),
    deadLetters: config.deadLetterSink === undefined ? undefined : httpPublisher(config.deadLetterSink),
    key: config.stageKey,
    config: redact(knobs, config as never),
    maxBodyBytes: config.maxBodyBytes || stage.maxBodyBytes,
  });
  return { running, config, log, close: async () => stage.close?.(deps) };
}

const addressOf = ({ service }: Config<typeof runtimeKnobs>): string =>
  service === undefined ? '127.0.0.1' : '0.0.0.0';

/** A process of one stage: opens it, as soon as what it needs is there, serves it, and on SIGTERM or SIGINT drains and exits. */
export async function start<Deps, In, Out, K extends Knobs>(
  stage: Stage<Deps, In, Out, K>,
  env: Record<string, string | undefined>,
): Promise<Served> {
  const opened = openPatiently(
    () => openStage(stage, env, addressOf),
    () => {
      const config = readConfig(runtimeKnobs, withAliases(env));
      const address = { port: config.port, hostname: addressOf(config) };
      return { address, log: createLogger(config.logLevel, { stage: stage.name }) };
    },
  );
  const { running, config, log, close } = await opened.catch(exitMisconfigured);
  // So that the first probe, which comes as soon as there is a port, need not wait.
  running.ready().catch(() => {});
  return serveProcess(running, config, log, close);
}

/** Exit code of a process whose configuration is wrong (EX_CONFIG of sysexits.h). */
const MISCONFIGURED = 78;

/** Ends the process for a wrong configuration; whatever else was thrown goes on. */
export function exitMisconfigured(thrown: unknown): never {
  if (!(thrown instanceof ConfigError)) throw thrown;
  process.stderr.write(`${thrown.message}\n`);
  process.exit(MISCONFIGURED);
}

/** Serves until SIGTERM or SIGINT, then drains, closes and exits: with 1 when `close` fails. */
export async function serveProcess(
  running: Pick<RunningStage, 'fetch' | 'drain'>,
  config: Config<typeof runtimeKnobs>,
  log: Logger,
  close: () => Promise<void>,
): Promise<Served> {
  const served = await serve(running, {
    port: config.port,
    hostname: addressOf(config),
    drainMs: config.drain,
  });
  async function end() {
    await served.close();
    await close();
    log.info({}, 'ended');
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      end().then(
        () => process.exit(0),
        (thrown: unknown) => {
          log.error({ err: thrown }, 'the shutdown failed');
          process.exit(1);
        },
      );
    });
  }
  // Who reads this may send a signal at once.
  log.info({ url: served.url }, 'listening');
  return served;
}
