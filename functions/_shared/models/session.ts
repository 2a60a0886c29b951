import { InferenceSession } from 'onnxruntime-node';

/** Where a model runs. */
export type Device = 'cpu';

export interface SessionSettings {
  /** Threads inside the session. Set explicitly, since ONNX Runtime knows nothing of a container's CPU quota. */
  threads: number;
  device: Device;
}

/** Loads a model for the worker thread it is called in. */
export function openSession(file: string, { threads, device }: SessionSettings): Promise<InferenceSession> {
  return InferenceSession.create(file, {
    executionProviders: [device],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    // Plans memory for one fixed shape; ours change with every run.
    enableMemPattern: false,
    // Threads that spin between runs take CPU time from the other stages and from a container's quota.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
}
