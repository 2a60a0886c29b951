import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Knobs, readConfig } from '../_shared/config.ts';
import { KnarrError } from '../_shared/errors.ts';
import type { CloudEvent } from '../_shared/events.ts';
import { generationKnobs, readGeneration } from '../_shared/generation.ts';
import { type RunningStage, runStage } from '../_shared/runtime/run.ts';
import { openLedger } from '../_shared/stores/open.ts';
import { folderOriginals } from '../_shared/stores/originals/folder.ts';
import { createLogger } from '../_shared/telemetry/log.ts';
import { authKnobs, eventKnobs } from './auth/knobs.ts';
import { closeGateway, createGateway, type GatewayDeps } from './deps.ts';
import { stage } from './index.ts';
import { limitKnobs, uriKnobs } from './knobs.ts';
import { quotaKnobs } from './limits/knobs.ts';
import type { QuestionStages } from './rag/pipeline.ts';
import type { Answer, Question } from './rag/question.ts';

/** A gateway over real stores in a folder of its own, for tests; what it publishes is kept in `published`. */
export interface TestGateway {
  running: RunningStage<Question, Answer>;
  deps: GatewayDeps;
  published: CloudEvent[];
  /** Makes the broker refuse from now on, or take again. */
  refusing(refuses: boolean): void;
  /** JSON in (unless `init` says otherwise), JSON or text out. */
  ask(method: string, path: string, body?: unknown, init?: RequestInit): Promise<Reply>;
  close(): Promise<void>;
}
export interface Reply {
  status: number;
  headers: Headers;
  body: any;
}

const absent = async () => {
  throw new KnarrError('unavailable', 'This stage is not part of the test.');
};

export async function openTestGateway(
  env: Record<string, string> = {},
  stages: Partial<QuestionStages> = {},
): Promise<TestGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'knarr-gateway-'));
  const knobs = {
    ...limitKnobs,
    ...uriKnobs,
    ...quotaKnobs,
    ...authKnobs,
    ...eventKnobs,
    ...generationKnobs,
  } satisfies Knobs;
  const config = readConfig(knobs, env);
  const log = createLogger('silent');
  const published: CloudEvent[] = [];
  let refuses = false;
  const { documents, access } = await openLedger({ dataDir: folder });
  const deps = createGateway(
    {
      documents,
      access,
      originals: folderOriginals(join(folder, 'originals')),
      publisher: {
        async publish(events) {
          if (refuses) throw new KnarrError('unavailable', 'The broker is away.');
          published.push(...events);
        },
      },
      stages: { embed: absent, search: absent, fetch: absent, generate: absent, ...stages },
      reconcile: absent,
      generation: readGeneration(config),
      log,
    },
    config,
  );
  const running = runStage(stage, deps, { log });
  return {
    running,
    deps,
    published,
    refusing: (now) => {
      refuses = now;
    },
    async ask(method, path, body, init = {}) {
      const json = body === undefined ? {} : { body: JSON.stringify(body) };
      const headers = { 'content-type': 'application/json', ...(init.headers as Record<string, string>) };
      const request = new Request(`http://localhost${path}`, { method, ...json, ...init, headers });
      const response = await running.fetch(request);
      const isJson = /[/+]json$/.test(response.headers.get('content-type') ?? '');
      const content = isJson ? await response.json() : await response.text();
      return { status: response.status, headers: response.headers, body: content };
    },
    async close() {
      await closeGateway(deps);
      await documents.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The events of a finished server-sent event stream. */
export function serverEvents(text: string): { event: string; data: unknown }[] {
  return text
    .split('\n\n')
    .filter((block) => block.startsWith('event:'))
    .map((block) => {
      const [, event = '', data = ''] = /^event: (.*)\ndata: (.*)$/.exec(block) ?? [];
      return { event, data: JSON.parse(data) };
    });
}
