import type { StageName } from '../../../functions/_shared/stage.ts';
import { until } from '../program.ts';
import { SERVING_PORT, startPod } from './queue-proxy.ts';

/**
 * A stage at zero: each request starts its pod, and the pod ends when it has answered. One request at a time, the others
 * wait, as they do at Knative's activator while there is no pod.
 */
export class Activator {
  /** Pods started so far. */
  starts = 0;
  readonly #stage: StageName;
  readonly #env: Record<string, string>;
  readonly #pod: { namespace: string; address: string };
  #turn: Promise<unknown> = Promise.resolve();

  constructor(stage: StageName, env: Record<string, string>, pod: { namespace: string; address: string }) {
    this.#stage = stage;
    this.#env = env;
    this.#pod = pod;
  }

  /** Answers as the stage does; `path` with its query. */
  fetch(request: Request, path: string): Promise<Response> {
    const answer = this.#turn.then(() => this.#answer(request, path));
    this.#turn = answer.catch(() => {});
    return answer;
  }

  /** Resolves when no pod is there. */
  idle = async (): Promise<void> => void (await this.#turn);

  async #answer(request: Request, path: string): Promise<Response> {
    this.starts++;
    const url = `http://${this.#pod.address}:${SERVING_PORT}`;
    const pod = await startPod(this.#stage, this.#env, this.#pod.namespace);
    try {
      const ready = () =>
        fetch(`${url}/health/readiness`).then(
          ({ ok }) => ok,
          () => false,
        );
      await Promise.race([until(`${this.#stage} does not start.`, ready), pod.ended]);
      const { method, headers } = request;
      const body = method === 'GET' || method === 'HEAD' ? null : await request.arrayBuffer();
      const response = await fetch(url + path, { method, headers, body, redirect: 'manual' });
      const text = await response.arrayBuffer();
      const { status } = response;
      const kept = new Headers(response.headers);
      for (const name of ['content-length', 'content-encoding', 'transfer-encoding', 'connection'])
        kept.delete(name);
      return new Response(status === 204 ? null : text, { status, headers: kept });
    } finally {
      await pod.stop();
    }
  }
}
