import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { asset } from '../../../functions/_shared/assets.ts';
import type { StageName } from '../../../functions/_shared/stage.ts';
import { closerOf, onPath, startProgram, until } from '../program.ts';
import { builtStage } from './build.ts';
import { type RunningProcess, type RunStage, STAGE_KEY } from './stages.ts';

const program = (): string | undefined => process.env.KNARR_TEST_QUEUE_PROXY || onPath('queue-proxy');

/** Why there is no queue-proxy to run; undefined when there is, or where `CI` is set: there the tests must run. */
export function queueProxyMissing(): string | undefined {
  if (process.env.CI || existsSync(program() ?? '')) return undefined;
  return 'KNARR_TEST_QUEUE_PROXY names no program: .ci/run builds it';
}

const USER_PORT = 8080;
/** Where queue-proxy takes requests, as in a pod. */
export const SERVING_PORT = 8012;

/**
 * A stage as in its pod: its process listens as on Knative, and queue-proxy (knative.dev/serving) in front of it has
 * the limits of the stage's Service. Both are in the namespace `of` gives, which is reached at its address.
 */
export const behindQueueProxy =
  (of: (stage: StageName) => { namespace: string; address: string }): RunStage =>
  async (stage, env) => {
    const { namespace, address } = of(stage);
    const pod = await startPod(stage, env, namespace);
    const url = `http://${address}:${SERVING_PORT}`;
    const answers = () =>
      fetch(`${url}/health/readiness`).then(
        ({ ok }) => ok,
        () => false,
      );
    try {
      await Promise.race([until(`${stage} does not answer behind queue-proxy.`, answers), pod.ended]);
    } catch (thrown) {
      await pod.stop();
      throw thrown;
    }
    return { url, stop: pod.stop };
  };

/**
 * The two processes of a pod; `ended` rejects with what was written when one of them ends. `probe` has what the stage's
 * Service says of readiness beside the path.
 */
export async function startPod(
  stage: StageName,
  env: Record<string, string>,
  namespace: string,
  probe: object = probeOf(stage),
): Promise<Pick<RunningProcess, 'stop'> & { ended: Promise<never> }> {
  const closers: (() => unknown)[] = [];
  const { containerConcurrency = 0, timeoutSeconds = 300 } = revisionOf(stage);
  const user = startProgram(process.execPath, ['start.js'], {
    namespace,
    cwd: builtStage(stage),
    env: { LOG_LEVEL: 'warn', KNARR_STAGE_KEY: STAGE_KEY, ...env, PORT: String(USER_PORT), K_SERVICE: stage },
  });
  const proxy = startProgram(program() ?? 'queue-proxy', [], {
    namespace,
    env: {
      CONTAINER_CONCURRENCY: String(containerConcurrency),
      REVISION_TIMEOUT_SECONDS: String(timeoutSeconds),
      QUEUE_SERVING_PORT: String(SERVING_PORT),
      QUEUE_SERVING_TLS_PORT: '8112',
      USER_PORT: String(USER_PORT),
      SERVING_LOGGING_CONFIG: JSON.stringify({
        level: 'error',
        outputPaths: ['stdout'],
        errorOutputPaths: ['stderr'],
        encoding: 'json',
      }),
      SERVING_LOGGING_LEVEL: 'error',
      SERVING_NAMESPACE: 'default',
      SERVING_CONFIGURATION: stage,
      SERVING_SERVICE: stage,
      SERVING_REVISION: `${stage}-00001`,
      SERVING_POD: `${stage}-00001-pod`,
      SERVING_POD_IP: '127.0.0.1',
      SERVING_READINESS_PROBE: JSON.stringify({
        httpGet: { path: '/health/readiness', port: USER_PORT, host: '127.0.0.1', scheme: 'HTTP' },
        successThreshold: 1,
        ...probe,
      }),
    },
  });
  closers.push(
    // It would wait half a minute for latecomers, of which there are none.
    () => proxy.stop('SIGTERM', 100),
    () => {
      proxy.signal('SIGTERM');
      return user.stop('SIGTERM', 30_000);
    },
  );
  const ended = Promise.race([user.said(/(?!)/), proxy.said(/(?!)/)]) as Promise<never>;
  ended.catch(() => {});
  return { stop: closerOf(closers), ended };
}

interface RevisionSpec {
  containerConcurrency?: number;
  timeoutSeconds?: number;
  containers: { readinessProbe: { httpGet: object } }[];
}
function probeOf(stage: StageName): object {
  const { httpGet: _, ...probe } = revisionOf(stage).containers[0]?.readinessProbe ?? { httpGet: {} };
  return probe;
}
function revisionOf(stage: StageName): RevisionSpec {
  const service = parse(readFileSync(asset(`knative/base/${stage}.yaml`), 'utf8'));
  return service.spec.template.spec;
}
