import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Pipeline, startPipeline } from '../../functions/_local/run/pipeline.ts';

export interface TestPipeline extends Pipeline {
  /** Sends JSON (or `init.body` as it is) and reads a JSON answer. */
  api(
    method: string,
    path: string,
    body?: unknown,
    init?: RequestInit,
  ): Promise<{ status: number; headers: Headers; body: any }>;
  /** Waits until a document's newest version has ended. */
  ended(id: string): Promise<any>;
}

/** The whole pipeline on a free port, over a data folder of its own unless one is given. */
export async function testPipeline(env: Record<string, string> = {}): Promise<TestPipeline> {
  const folder = env.KNARR_DATA_DIR ?? (await mkdtemp(join(tmpdir(), 'knarr-pipeline-')));
  const pipeline = await startPipeline({ PORT: '0', LOG_LEVEL: 'error', ...env, KNARR_DATA_DIR: folder });

  async function api(method: string, path: string, body?: unknown, init: RequestInit = {}) {
    const response = await fetch(pipeline.url + path, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      ...init,
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      body: isJson && text ? JSON.parse(text) : text,
    };
  }

  return {
    ...pipeline,
    api,
    async ended(id) {
      for (let attempt = 0; attempt < 1500; attempt++) {
        const { body } = await api('GET', `/v1/documents/${encodeURIComponent(id)}`);
        if (['indexed', 'superseded', 'deleted', 'dead_lettered'].includes(body.state)) return body;
        await sleep(20);
      }
      throw new Error(`${id} did not end.`);
    },
    async close() {
      await pipeline.close();
      if (env.KNARR_DATA_DIR === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}
