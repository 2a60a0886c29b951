import type { Page } from '../documents/port.ts';
import type { Queryable } from '../sql/database.ts';

/** Each may do what the ones before it may. */
export const ROLES = ['reader', 'writer', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export interface NewApiKey {
  tenant: string;
  /** For people; also its `user:` principal. */
  name: string;
  role: Role;
  /** Collections that it is limited to; null: all of the tenant. */
  collections: string[] | null;
  /** Further `user:…` and `group:…` principals that it reads as. */
  principals: string[];
  expiresAt: Date | null;
}

export interface ApiKey extends Omit<NewApiKey, 'expiresAt'> {
  id: string;
  createdAt: string;
  createdBy: string;
  expiresAt: string | null;
  revokedAt: string | null;
  /** To the minute. */
  lastUsedAt: string | null;
}

/** Limits of a tenant; null: none. Documents and bytes count current documents, without older versions. */
export interface Quota {
  documents: number | null;
  bytes: number | null;
  requestsPerSecond: number | null;
  /** Questions at work at once. */
  questions: number | null;
}

export interface Usage {
  documents: number;
  bytes: number;
}

/** Who does something, in which trace. */
export interface Actor {
  /** `key:<id>`, `user:<name>`, or what acts by itself. */
  actor: string;
  traceId?: string | undefined;
}

export interface AuditEntry extends Actor {
  tenant: string;
  /** `document.put`, `key.create`, …; for a denial the call, `PUT /v1/documents/{id}`. */
  action: string;
  /** What it was done to: a document's or a key's id. */
  target?: string | undefined;
  /** Why it was denied: an error code. Absent: it was done. */
  denied?: string | undefined;
  /** Equal denials that this entry stands for. Default 1. */
  count?: number | undefined;
  /** Small, no content, no secrets. */
  details?: Record<string, unknown> | undefined;
}

export interface AuditRecord extends AuditEntry {
  id: string;
  at: string;
  count: number;
  details: Record<string, unknown>;
}

export interface AuditFilter {
  actor?: string | undefined;
  action?: string | undefined;
  target?: string | undefined;
  outcome?: 'done' | 'denied' | undefined;
}

interface PageOptions {
  limit: number;
  /** Opaque, from a previous page. */
  cursor?: string | undefined;
}

/** API keys, quotas, usage and the audit log of every tenant. */
export interface AccessStore {
  /** `key` is shown this once; only its hash is kept. Audited in the same transaction. */
  createKey(given: NewApiKey, by: Actor): Promise<{ key: string; record: ApiKey }>;
  /** By id, whatever its tenant, revoked and expired ones too: for whoever verifies it. `hash` as `hashKey` makes it. */
  findKey(id: string): Promise<(ApiKey & { hash: string }) | undefined>;
  /** Newest first. */
  keys(tenant: string, options: PageOptions): Promise<Page<ApiKey>>;
  /** Revokes; a second time is ignored. Undefined when the tenant has no such key. */
  revokeKey(tenant: string, id: string, by: Actor): Promise<ApiKey | undefined>;
  /** Says that these keys were used now. */
  touchKeys(ids: readonly string[]): Promise<void>;
  /** Whether there is any key that can be used. */
  hasKeys(): Promise<boolean>;

  /** What was set for the tenant; all null when nothing was. */
  quota(tenant: string): Promise<Quota>;
  /** What is not named stays as it is. Audited in the same transaction. */
  setQuota(tenant: string, quota: Partial<Quota>, by: Actor): Promise<void>;
  usage(tenant: string): Promise<Usage>;
  /**
   * Counts a write and puts it into the audit log, inside the transaction that makes it. Gives the tenant's usage with
   * it, without what others have not committed yet.
   */
  recordWrite(tx: Queryable, entry: AuditEntry, change: Usage): Promise<Usage>;

  /** Appends to the log; inside a transaction of the caller's when one is given. */
  audit(entries: readonly AuditEntry[], tx?: Queryable): Promise<void>;
  /** Newest first. */
  auditLog(tenant: string, options: AuditFilter & PageOptions): Promise<Page<AuditRecord>>;
}
