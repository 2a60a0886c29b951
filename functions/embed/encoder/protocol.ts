import type { Pooling } from '../../_shared/models/folder.ts';

/** How an encoder worker is started (`workerData`). */
export interface WorkerSettings {
  folder: string;
  onnxFile: string;
  maxTokens: number;
  pooling: Pooling;
  normalise: boolean;
  threads: number;
}

export interface WorkRequest {
  id: number;
  texts: string[];
}

export type WorkReply =
  | { ready: true; dimensions: number }
  | { id: number; dimensions: number; vectors: Float32Array; tokens: number[] }
  | { id: number; error: string };
