/**
 * The error vocabulary. Each code fixes the HTTP status it is answered with and whether trying the same
 * again can help; nothing else in the project chooses a status.
 */
const CODES = {
  invalid_request: { status: 400, retryable: false },
  malformed_event: { status: 400, retryable: false },
  unauthenticated: { status: 401, retryable: false },
  forbidden: { status: 403, retryable: false },
  not_found: { status: 404, retryable: false },
  method_not_allowed: { status: 405, retryable: false },
  conflict: { status: 409, retryable: false },
  too_large: { status: 413, retryable: false },
  unsupported_media_type: { status: 415, retryable: false },
  unprocessable: { status: 422, retryable: false },
  unknown_collection: { status: 404, retryable: false },
  model_mismatch: { status: 422, retryable: false },
  too_many_requests: { status: 429, retryable: true },
  internal: { status: 500, retryable: true },
  upstream_failed: { status: 502, retryable: true },
  unavailable: { status: 503, retryable: true },
  deadline_exceeded: { status: 504, retryable: true },
  cancelled: { status: 499, retryable: false },
} as const;

export type ErrorCode = keyof typeof CODES;

export interface KnarrErrorOptions {
  cause?: unknown;
  /** Seconds after which a retry may succeed; sent as `Retry-After`. */
  retryAfter?: number;
  /** Further headers of the answer. */
  headers?: Record<string, string>;
  /** Further members of the problem details (small, no content, no secrets). */
  details?: Record<string, unknown>;
}

/** The one error class. `message` is shown to callers: it must hold no content, secret or stack. */
export class KnarrError extends Error {
  override readonly name = 'KnarrError';
  readonly code: ErrorCode;
  readonly retryAfter: number | undefined;
  readonly headers: Record<string, string>;
  readonly details: Record<string, unknown>;

  constructor(code: ErrorCode, message: string, options: KnarrErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfter =
      options.retryAfter ?? (code === 'unavailable' || code === 'too_many_requests' ? 1 : undefined);
    this.headers = options.headers ?? {};
    this.details = options.details ?? {};
  }

  get status(): number {
    return CODES[this.code].status;
  }

  get retryable(): boolean {
    return CODES[this.code].retryable;
  }

  /** Any thrown value as a KnarrError: an abort becomes `cancelled` or `deadline_exceeded`, the unknown `internal`. */
  static from(thrown: unknown): KnarrError {
    if (thrown instanceof KnarrError) return thrown;
    if (thrown instanceof Error && thrown.name === 'TimeoutError') {
      return new KnarrError('deadline_exceeded', 'The deadline passed before the work was done.', {
        cause: thrown,
      });
    }
    // An HTTP server aborts a request's signal with a string as the reason.
    if ((thrown instanceof Error && thrown.name === 'AbortError') || typeof thrown === 'string') {
      return new KnarrError('cancelled', 'The caller went away.', { cause: thrown });
    }
    return new KnarrError('internal', 'Something failed that should not have; the log has the cause.', {
      cause: thrown,
    });
  }

  static isCode(code: string): code is ErrorCode {
    return Object.hasOwn(CODES, code);
  }
}
