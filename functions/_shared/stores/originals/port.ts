/** Documents as they came in, by key. Keys are `<tenant>/<content hash>`, made by `originalKey`. */
export interface OriginalStore {
  /** Durable when it resolves; putting the same key again is a no-op. */
  put(key: string, content: Uint8Array): Promise<void>;
  get(key: string): Promise<Uint8Array | undefined>;
  /** Deleting what is not there is a no-op. */
  delete(key: string): Promise<void>;
  /** Throws when the store cannot be written. */
  ping(): Promise<void>;
}

/** Where a tenant's content of this hash (SHA-256, hex) is kept: any tenant name becomes one safe path segment. */
export function originalKey(tenant: string, contentHash: string): string {
  // A leading dot is escaped too, so that no name is "." or "..".
  return `${encodeURIComponent(tenant).replace(/^\./, '%2E')}/${contentHash}`;
}
