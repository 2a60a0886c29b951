import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import { loadTokenizer } from '../../_shared/models/tokenizer.ts';
import { splitByLength } from './batch.ts';
import { normaliseRows, poolTokens } from './pool.ts';
import type { WorkerSettings, WorkReply, WorkRequest } from './protocol.ts';

// One ONNX Runtime session in a thread of its own: run() is a synchronous native call and would stop an event loop.

const settings = workerData as WorkerSettings;
const tokenizer = loadTokenizer(settings.folder);
const model = readFileSync(settings.onnxFile);
// Dynamic quantisation takes its range from the whole batch, so that a text's vector would depend on its neighbours
// (cosine down to 0.96 on the golden texts): such a model is given one text at a time.
const onePerRun = model.includes('DynamicQuantizeLinear');
const session = await ort.InferenceSession.create(model, {
  intraOpNumThreads: settings.threads,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
});
// Exports with pooling in the graph name their output so; others give token vectors.
const pooledOutput = session.outputNames.find((name) => name === 'sentence_embedding');

interface Tokenised {
  index: number;
  ids: Int32Array;
}

function tokenise(text: string): { ids: Int32Array; tokens: number } {
  const { ids } = tokenizer.encode(text);
  if (ids.length <= settings.maxTokens) return { ids: Int32Array.from(ids), tokens: ids.length };
  // Cut to the maximum, keeping the closing special token.
  const cut = [...ids.slice(0, settings.maxTokens - 1), ids[ids.length - 1] as number];
  return { ids: Int32Array.from(cut), tokens: ids.length };
}

async function run(batch: Tokenised[]): Promise<Float32Array> {
  const sequence = Math.max(...batch.map(({ ids }) => ids.length));
  const shape = [batch.length, sequence];
  const ids = new BigInt64Array(batch.length * sequence);
  const mask = new BigInt64Array(batch.length * sequence);
  batch.forEach((entry, row) => {
    entry.ids.forEach((id, column) => {
      ids[row * sequence + column] = BigInt(id);
      mask[row * sequence + column] = 1n;
    });
  });
  const feeds: Record<string, ort.Tensor> = {
    input_ids: new ort.Tensor('int64', ids, shape),
    attention_mask: new ort.Tensor('int64', mask, shape),
  };
  if (session.inputNames.includes('token_type_ids')) {
    feeds.token_type_ids = new ort.Tensor('int64', new BigInt64Array(ids.length), shape);
  }
  const outputs = await session.run(feeds);
  const output = outputs[pooledOutput ?? (session.outputNames[0] as string)] as ort.Tensor;
  const data = output.data as Float32Array;
  if (pooledOutput) return data;
  const dimensions = output.dims[2] as number;
  const lengths = batch.map((entry) => entry.ids.length);
  const pooled = poolTokens(data, lengths, sequence, dimensions, settings.pooling);
  if (settings.normalise) normaliseRows(pooled, dimensions);
  return pooled;
}

async function encode({ id, texts }: WorkRequest): Promise<WorkReply> {
  const tokenised = texts.map((text, index) => ({ index, ...tokenise(text) }));
  let vectors: Float32Array | undefined;
  let dimensions = 0;
  for (const batch of onePerRun ? tokenised.map((one) => [one]) : splitByLength(tokenised)) {
    const encoded = await run(batch);
    dimensions = encoded.length / batch.length;
    vectors ??= new Float32Array(texts.length * dimensions);
    batch.forEach(({ index }, row) => {
      vectors?.set(encoded.subarray(row * dimensions, (row + 1) * dimensions), index * dimensions);
    });
  }
  return {
    id,
    dimensions,
    vectors: vectors ?? new Float32Array(),
    tokens: tokenised.map(({ tokens }) => tokens),
  };
}

const port = parentPort;
if (!port) throw new Error('encoder.worker runs in a worker thread.');
const send = (reply: WorkReply, transfer: ArrayBuffer[] = []) => port.postMessage(reply, transfer);

port.on('message', (request: WorkRequest) => {
  encode(request).then(
    (reply) => send(reply, 'vectors' in reply ? [reply.vectors.buffer as ArrayBuffer] : []),
    (error: Error) => send({ id: request.id, error: error.message }),
  );
});

// The first run allocates what later ones reuse; it also proves that model and settings fit.
const { dimensions } = (await encode({ id: -1, texts: ['ready'] })) as { dimensions: number };
send({ ready: true, dimensions });
