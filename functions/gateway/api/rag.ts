import { z } from '@hono/zod-openapi';
import type { Call, Logger } from '../../_shared/stage.ts';
import { checkReading } from '../auth/identity.ts';
import type { GatewayDeps } from '../deps.ts';
import { answer, ask, type PipelineOptions, retrieve, searchOf, within } from '../rag/pipeline.ts';
import { askLater } from '../rag/queries.ts';
import { Answer, Question } from '../rag/question.ts';
import type { Slots } from '../slots.ts';
import { type Api, type ApiContext, endpoint } from './endpoint.ts';
import { Pending, pendingView } from './queries.ts';
import { type EventStream, eventStream } from './stream.ts';
import { serverTiming } from './timing.ts';

export interface RagTools {
  streams: Slots;
  options: PipelineOptions;
  log: Logger;
}

/** `POST /v1/rag` and its short form `/rag`: at once as JSON, as it is made as server-sent events, or later by events. */
export function ragRoutes(api: Api, deps: GatewayDeps, tools: RagTools): void {
  for (const path of ['/v1/rag', '/rag']) {
    endpoint(
      api,
      {
        method: 'post',
        path,
        role: 'reader',
        tag: 'Questions',
        summary: path === '/rag' ? 'Ask a question (short form)' : 'Ask a question',
        description:
          'With `stream: true` or `Accept: text/event-stream`: events `sources`, then `token` as text is made, then `done` with the whole answer; `error` with problem details when it fails on the way. With `Prefer: respond-async`: 202, and the answer at `/v1/queries/{id}`.',
        headers: z.object({
          Prefer: z.string().optional().meta({ description: '`respond-async`: do not wait for the answer.' }),
        }),
        json: Question,
        maxBytes: deps.limits.maxQuestionBytes,
        answers: {
          200: {
            description: 'The answer with its sources.',
            json: Answer,
            content: { 'text/event-stream': z.string() },
          },
          202: { description: 'The question is being answered.', json: Pending },
        },
      },
      async ({ c, json, call }) => {
        checkReading(call, json.collection);
        if (/(^|,)\s*respond-async\s*($|[,;])/i.test(c.req.header('prefer') ?? '')) {
          const id = await askLater(json, call, deps);
          c.header('location', `/v1/queries/${id}`);
          c.header('preference-applied', 'respond-async');
          return c.json(pendingView(id), 202);
        }
        if (json.stream || wantsEvents(c)) return askStreamed(c, json, call, deps, tools);
        const question = within(json, call, tools.options);
        const release = await deps.quotas.question(question);
        try {
          const answered = await ask(json, question, tools.options);
          c.header('server-timing', serverTiming(answered.timings));
          return c.json(answered);
        } finally {
          release();
        }
      },
    );
  }
}

const wantsEvents = (c: ApiContext) => /(^|,)\s*text\/event-stream\b/i.test(c.req.header('accept') ?? '');

/**
 * The stream begins when the sources are known, so that until then a refusal still has its status. The turn ends when the
 * answer is made, however slowly it is read.
 */
async function askStreamed(
  c: ApiContext,
  question: Question,
  outer: Call,
  { closing, quotas }: GatewayDeps,
  { streams, options, log }: RagTools,
): Promise<Response> {
  const call = within(question, outer, options);
  const endTurn = await quotas.question(call);
  const releases = [endTurn];
  const release = () => {
    for (const free of releases) free();
  };
  try {
    releases.push(streams.take());
    const retrieval = await retrieve(searchOf(question), call, options);
    c.header('server-timing', serverTiming(retrieval.timings));
    return eventStream(c, { closing: closing.signal, log, release }, async (stream) => {
      // Not waited for: what follows queues up behind it.
      void stream.send('sources', { sources: retrieval.passages });
      const tokens = tokenSender(stream);
      const signal = AbortSignal.any([call.signal, stream.signal]);
      const done = await answer(
        question.question,
        retrieval,
        { ...call, signal, onProgress: ({ text }) => tokens.add(text) },
        options,
      );
      endTurn();
      await tokens.flush();
      await stream.send('done', done);
    });
  } catch (thrown) {
    release();
    throw thrown;
  }
}

/** Sends text as fast as the client reads; what gathers meanwhile goes out together. */
function tokenSender(stream: EventStream) {
  let waiting = '';
  let sending: Promise<void> | undefined;
  const drain = async () => {
    while (waiting !== '') {
      const text = waiting;
      waiting = '';
      await stream.send('token', { text });
    }
    sending = undefined;
  };
  return {
    add(text: string) {
      waiting += text;
      sending ??= drain();
    },
    flush: async () => sending,
  };
}
