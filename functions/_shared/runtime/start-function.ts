import { readConfig } from '../config.ts';
import { createLogger } from '../telemetry/log.ts';
import { type HostedModule, hostFunction } from './host.ts';
import type { Served } from './serve.ts';
import { exitMisconfigured, runtimeKnobs, serveProcess, withAliases } from './start.ts';

/** A process of an ordinary func module, in place of `faas-js-runtime`: initialises and serves it, and drains at the end. */
export async function startFunction(
  func: HostedModule | HostedModule['handle'],
  env: Record<string, string | undefined>,
): Promise<Served> {
  const config = readProcessConfig(env);
  const log = createLogger(config.logLevel);
  const { maxBodyBytes } = config;
  const hosted = await hostFunction(func, { log, ...(maxBodyBytes > 0 && { maxBodyBytes }) });
  return serveProcess(hosted, config, log, () => hosted.close());
}

function readProcessConfig(env: Record<string, string | undefined>) {
  try {
    return readConfig(runtimeKnobs, withAliases(env));
  } catch (thrown) {
    return exitMisconfigured(thrown);
  }
}
