/** Documents as they came in, by key. Keys are `<tenant>/<content hash>`, made by `originalKey`. */
export interface OriginalStore {
  /** Durable when it resolves; putting the same key again is a no-op. */
  put(key: string, content: Uint8Array): Promise<void>;
  get(key: string): Promise<Uint8Array | undefined>;
  delete(key: string): Promise<void>;
  ping(): Promise<void>;
}

/** Key of a tenant's content: the same content of one tenant is stored once, and never shared between tenants. */
export const originalKey = (tenant: string, contentHash: string): string =>
  `${encodeURIComponent(tenant)}/${contentHash}`;
