/** What the thread that holds PGlite is started with. */
export interface WorkerOptions {
  /** Its data directory; in memory when absent. */
  folder?: string;
  /** Gzipped tar of a prepared data directory, for an empty one. */
  template?: string;
}

/** Messages between the program and the thread. Each request gets one reply with its id; id 0 says that it is ready. */
export type Request = { id: number } & (
  | { op: 'query'; sql: string; params: readonly unknown[] }
  | { op: 'exec'; sql: string }
  | { op: 'dump' }
  | { op: 'close' }
);
export type RequestBody = Request extends infer R ? (R extends Request ? Omit<R, 'id'> : never) : never;

export interface Reply {
  id: number;
  rows?: unknown[];
  affected?: number;
  dump?: ArrayBuffer;
  error?: { message: string; code?: string | undefined; constraint?: string | undefined };
}

/** pgvector's text form. */
export const vectorLiteral = (vector: Float32Array): string => `[${vector.join(',')}]`;
