import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { openSession } from '../../_shared/models/session.ts';
import { endWhenAsked } from '../../_shared/models/thread.ts';
import { loadTokenizer } from '../../_shared/models/tokenizer.ts';
import { MAX_BATCH, planRuns } from './batch.ts';
import { createLanes } from './lanes.ts';
import { createModelRun } from './model-run.ts';
import type { WorkerSettings, WorkReply, WorkRequest, WorkResult } from './protocol.ts';
import { createTokeniser, type Tokenised } from './tokens.ts';

/** One model in a thread of its own: a run is a synchronous native call, which would stop an event loop. */
const port = parentPort;
if (!port) throw new Error('This file runs as a worker thread.');
endWhenAsked(port);
const send = (reply: WorkReply, transfer: ArrayBuffer[] = []) => port.postMessage(reply, transfer);

const settings = workerData as WorkerSettings;
const tokenise = createTokeniser(loadTokenizer(settings.folder), settings.maxTokens);
const { session, device, fallback } = await openSession(settings.onnxFiles, settings);
const encode = createModelRun(session, settings);
const plan = {
  tokenBudget: settings.tokenBudget,
  // Dynamic quantisation takes its range from the whole batch: a text's vector would depend on its neighbours
  // (cosine down to 0.96 on the golden texts), so such a model is given one text at a time.
  maxBatch: readFileSync(settings.onnxFiles[device]).includes('DynamicQuantizeLinear') ? 1 : MAX_BATCH,
};
// The first run allocates what later ones reuse; it also proves that model and settings fit.
const dimensions = (await encode([tokenise('ready').ids])).length;

interface Job {
  id: number;
  texts: Tokenised[];
  vectors: Float32Array<ArrayBuffer>;
  runsLeft: number;
}
/** Jobs that somebody waits for. */
const jobs = new Map<number, Job>();
const lanes = createLanes<{ job: Job; indexes: number[] }>();
let isRunning = false;

function begin(id: number, texts: string[], urgent: boolean): void {
  const tokenised = texts.map(tokenise);
  const runs = planRuns(
    tokenised.map(({ ids }) => ids.length),
    plan,
  );
  const vectors = new Float32Array(texts.length * dimensions);
  const job: Job = { id, texts: tokenised, vectors, runsLeft: runs.length };
  jobs.set(id, job);
  for (const indexes of runs) lanes.add({ job, indexes }, urgent);
}

/** Runs what waits. Messages are let in before each choice, so that urgent and abandoned work is known. */
async function runAll(): Promise<void> {
  if (isRunning) return;
  isRunning = true;
  for (;;) {
    await new Promise(setImmediate);
    const next = lanes.take();
    if (!next) break;
    const { job, indexes } = next;
    if (!jobs.has(job.id)) continue;
    try {
      const vectors = await encode(indexes.map((index) => (job.texts[index] as Tokenised).ids));
      indexes.forEach((index, row) => {
        job.vectors.set(vectors.subarray(row * dimensions, (row + 1) * dimensions), index * dimensions);
      });
      job.runsLeft--;
      if (job.runsLeft === 0) finish(job);
    } catch (thrown) {
      fail(job.id, thrown);
    }
  }
  isRunning = false;
}

function finish({ id, texts, vectors }: Job): void {
  if (!jobs.delete(id)) return;
  const result: WorkResult = { dimensions, vectors, tokens: texts.map(({ tokens }) => tokens) };
  send({ id, result }, [vectors.buffer]);
}

function fail(id: number, thrown: unknown): void {
  jobs.delete(id);
  send({ id, error: thrown instanceof Error ? thrown.message : String(thrown) });
}

port.on('message', (request: WorkRequest) => {
  if ('cancel' in request) {
    if (jobs.delete(request.cancel)) send({ id: request.cancel, dropped: true });
    return;
  }
  const { id, texts, urgent } = request;
  try {
    begin(id, texts, urgent);
  } catch (thrown) {
    fail(id, thrown);
  }
  void runAll();
});
send({ ready: { dimensions, device, ...(fallback !== undefined && { fallback }) } });
