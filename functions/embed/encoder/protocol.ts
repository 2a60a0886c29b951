import type { EncoderModel } from '../../_shared/models/folder.ts';
import type { OpenedSession, SessionSettings } from '../../_shared/models/session.ts';

/** How an encoder worker is started (`workerData`). */
export interface WorkerSettings extends EncoderModel, SessionSettings {
  /** Padded tokens of one run. */
  tokenBudget: number;
}

export interface WorkerInfo extends Omit<OpenedSession, 'session'> {
  dimensions: number;
}

/** Texts to encode, or a job that nobody waits for any more. */
export type WorkRequest = { id: number; texts: string[]; urgent: boolean } | { cancel: number };

export interface WorkResult {
  dimensions: number;
  /** `[texts, dimensions]`, row by row. */
  vectors: Float32Array<ArrayBuffer>;
  /** Tokens of each text before any cut. */
  tokens: number[];
}

export type WorkReply =
  | { ready: WorkerInfo }
  | { id: number; result: WorkResult }
  | { id: number; dropped: true }
  | { id: number; error: string };
