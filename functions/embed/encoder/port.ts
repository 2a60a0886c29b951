export interface EncodeOptions {
  kind: 'query' | 'passage';
  /** Whose texts they are: how long one takes tells nobody else that it was seen before. */
  tenant: string;
  signal: AbortSignal;
  /** Milliseconds since the epoch; work that has not begun by then is dropped. */
  deadline?: number | undefined;
}

export interface Encoded {
  /** One vector a text, in order. */
  vectors: Float32Array[];
  /** Tokens of each text with special tokens, before any cut. */
  tokens: number[];
  /** Indexes of texts that were cut to what the model reads. */
  truncated: number[];
}

/** Turns texts into vectors. Every backend passes the same tests. */
export interface Encoder {
  readonly model: string;
  readonly dimensions: number;
  /**
   * Throws `too_many_requests` when the queue is full, `deadline_exceeded` or `cancelled` for work that was dropped,
   * `unavailable` when the backend failed and may work again.
   */
  encode(texts: readonly string[], options: EncodeOptions): Promise<Encoded>;
  ready(): Promise<void>;
  close(): Promise<void>;
}
