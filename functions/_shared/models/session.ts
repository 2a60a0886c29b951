import { InferenceSession } from 'onnxruntime-node';

/** Where a model can run: `cuda` is an NVIDIA GPU, and needs ONNX Runtime's CUDA provider beside its own library. */
export const DEVICES = ['cpu', 'cuda'] as const;
export type Device = (typeof DEVICES)[number];

export interface SessionSettings {
  /** Threads that share one operator. Set explicitly, since ONNX Runtime knows nothing of a container's CPU quota. */
  threads: number;
  device: Device;
}

export interface OpenedSession {
  session: InferenceSession;
  /** Where it runs. */
  device: Device;
  /** Why it does not run where it should. */
  fallback?: string;
}

/**
 * Loads a model for the worker thread it is called in. Where CUDA cannot be had it runs on the CPU, and says why: slow is
 * better than not at all, as long as everybody is told. `files`: the model for each device, which may be two precisions.
 */
export async function openSession(
  files: Record<Device, string>,
  { threads, device }: SessionSettings,
): Promise<OpenedSession> {
  if (device === 'cpu') return { session: await create(files.cpu, threads, 'cpu'), device };
  try {
    return { session: await create(files[device], threads, device), device };
  } catch (thrown) {
    const fallback = thrown instanceof Error ? thrown.message : String(thrown);
    return { session: await create(files.cpu, threads, 'cpu'), device: 'cpu', fallback };
  }
}

function create(file: string, threads: number, device: Device): Promise<InferenceSession> {
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
