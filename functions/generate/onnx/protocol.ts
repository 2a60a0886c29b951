import type { ErrorCode } from '../../_shared/errors.ts';
import type { SessionSettings } from '../../_shared/models/session.ts';

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** What to continue: a conversation, put through the model's chat template, or a text as it is. */
export type Prompt = { messages: ChatMessage[] } | { prompt: string };

export interface Sampling {
  /** Tokens to generate, at most. */
  maxTokens: number;
  /** 0 takes the most probable token always; higher is more random. */
  temperature: number;
  /** Only the most probable tokens that together reach this probability are drawn from, (0, 1]. */
  topP: number;
  /** Generation ends before the first of these. */
  stop: string[];
  /** The same seed gives the same text. */
  seed: number;
}

export interface Generated {
  /** Without the stop string or the end token. */
  text: string;
  /** Ids of the generated tokens, without the end token. */
  tokens: number[];
  promptTokens: number;
  /** `length`: cut by `maxTokens` or by the end of the model's context. */
  finish: 'stop' | 'length';
}

/** How the thread is started (`workerData`). */
export interface LlmSettings extends SessionSettings {
  folder: string;
  /** Tokens of the prompt given to the model at a time. */
  prefillTokens: number;
}

export interface LlmJob {
  id: number;
  prompt: Prompt;
  sampling: Sampling;
}
export type LlmRequest = LlmJob | { cancel: number };

export interface LlmInfo {
  model: string;
  /** Tokens of prompt and answer together, at most. */
  contextTokens: number;
}
export type LlmReply =
  | { ready: LlmInfo }
  | { id: number; piece: string }
  | { id: number; result: Generated }
  | { id: number; error: { code: ErrorCode; message: string; cause?: unknown } };
