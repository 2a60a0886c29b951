import { parentPort, workerData } from 'node:worker_threads';
import { KnarrError } from '../../_shared/errors.ts';
import { openSession } from '../../_shared/models/session.ts';
import { endWhenAsked } from '../../_shared/models/thread.ts';
import { readCausalModel } from './causal-model.ts';
import { createDecoder } from './decoder.ts';
import type { Generated, LlmJob, LlmReply, LlmRequest, LlmSettings } from './protocol.ts';
import { createSampler } from './sampler.ts';
import { createTextStream } from './text-stream.ts';

/** Text generation in a thread of its own, one job at a time: a run of the model blocks the thread it is in. */
const port = parentPort;
if (!port) throw new Error('This file runs as a worker thread.');
endWhenAsked(port);
const send = (reply: LlmReply) => port.postMessage(reply);

const settings = workerData as LlmSettings;
const model = readCausalModel(settings.folder);
const { session } = await openSession({ cpu: model.onnxFile, cuda: model.onnxFile }, settings);
const decoder = createDecoder(session);
/** The job that nobody waits for any more. */
let cancelled = -1;

async function generate({ id, prompt, sampling }: LlmJob): Promise<Generated> {
  const promptIds = model.encode(prompt);
  const room = model.contextTokens - promptIds.length;
  if (promptIds.length === 0) throw new KnarrError('invalid_request', 'The prompt is empty.');
  if (room < 1) {
    throw new KnarrError(
      'too_large',
      `The prompt has ${promptIds.length} tokens; the model reads ${model.contextTokens} with its answer.`,
    );
  }
  const sample = createSampler(sampling);
  const stream = createTextStream(model.decode, sampling.stop);
  const decoding = decoder.begin();
  const tokens: number[] = [];
  let text = '';
  const say = (piece: string) => {
    if (piece === '') return;
    text += piece;
    send({ id, piece });
  };
  const read = (ids: number[]) => {
    if (cancelled === id) throw new KnarrError('cancelled', 'The caller went away.');
    return decoding.read(ids);
  };

  // In parts, since the logits of every position come back: a whole prompt's would take gigabytes.
  let logits = await read(promptIds.slice(0, settings.prefillTokens));
  for (let start = settings.prefillTokens; start < promptIds.length; start += settings.prefillTokens) {
    logits = await read(promptIds.slice(start, start + settings.prefillTokens));
  }
  const limit = Math.min(sampling.maxTokens, room);
  for (;;) {
    const token = sample(logits);
    const ended = model.endTokens.has(token);
    if (!ended) {
      tokens.push(token);
      say(stream.push(token));
    }
    if (ended || stream.stopped || tokens.length >= limit) {
      say(stream.end());
      const finish = ended || stream.stopped ? 'stop' : 'length';
      return { text, tokens, promptTokens: promptIds.length, finish };
    }
    logits = await read([token]);
  }
}

port.on('message', async (request: LlmRequest) => {
  if ('cancel' in request) {
    cancelled = request.cancel;
    return;
  }
  const { id } = request;
  try {
    send({ id, result: await generate(request) });
  } catch (thrown) {
    const { code, message, cause } = KnarrError.from(thrown);
    send({ id, error: { code, message, cause } });
  }
});
send({ ready: { model: model.name, contextTokens: model.contextTokens } });
