import { KnarrError } from '../../_shared/errors.ts';
import type { Caller } from '../../_shared/stage.ts';
import type { AccessStore, Quota } from '../../_shared/stores/access/port.ts';
import type { DocumentStore, WriteOptions } from '../../_shared/stores/documents/port.ts';
import { traceId } from '../../_shared/telemetry/trace.ts';
import type { Denials } from '../denials.ts';
import type { TenantLimits } from '../limits/tenants.ts';

/** Whose write it is. */
export interface Writer {
  tenant: string;
  actor: string;
  traceparent?: string | undefined;
  /** Whose rights count. Absent: a producer inside the deployment, which may write any document of the tenant. */
  caller?: Caller | undefined;
}

export interface WriteDeps {
  documents: DocumentStore;
  access: AccessStore;
  quotas: TenantLimits;
  denials: Denials;
}

/** A writer that cannot read what it writes could never correct it: then it stays on the list itself. */
export function readableByWriter(acl: string[], caller: Caller | undefined): string[] {
  if (!caller || acl.some((principal) => caller.principals.includes(principal))) return acl;
  const self = caller.principals.find((principal) => principal.startsWith('user:'));
  return self === undefined ? acl : [...acl, self];
}

/** Throws `forbidden` for a collection that the writer's token does not reach. */
export function checkReach(collection: string, { caller }: Writer): void {
  if (caller?.collections === undefined || caller.collections.includes(collection)) return;
  throw new KnarrError('forbidden', `This key is for other collections than ${collection}.`);
}

/** Throws `too_many_requests` when a document cannot fit, before its content is stored; the transaction checks again. */
export async function checkRoom(
  document: string,
  bytes: number,
  { tenant, caller }: Writer,
  { documents, access, quotas }: WriteDeps,
): Promise<Quota> {
  const quota = await quotas.quota(tenant);
  if (quota.documents === null && quota.bytes === null) return quota;
  const usage = await access.usage(tenant);
  const head = await (caller ? documents.head(caller, document) : documents.current(tenant, document));
  const isNew = head === undefined || head.state === 'deleted';
  const change = { documents: isNew ? 1 : 0, bytes: bytes - (head?.bytes ?? 0) };
  const after = { documents: usage.documents + change.documents, bytes: usage.bytes + change.bytes };
  quotas.check(quota, after, change);
  return quota;
}

/** What belongs to every write, in its transaction: the writer's rights, its quota, and the audit log. */
export function recorded(
  action: 'document.put' | 'document.delete',
  { tenant, actor, traceparent, caller }: Writer,
  { access, quotas }: WriteDeps,
  quota?: Quota,
): WriteOptions {
  return {
    caller,
    traceparent,
    async within(tx, { acceptance, documents, bytes }) {
      const { document: target, version, collection } = acceptance;
      const entry = { tenant, actor, action, target, traceId: traceId(traceparent) };
      const change = { documents, bytes };
      const usage = await access.recordWrite(tx, { ...entry, details: { version, collection } }, change);
      if (quota) quotas.check(quota, usage, change);
    },
  };
}

/** Runs a write; what is denied is recorded. */
export async function denying<T>(
  action: string,
  target: string,
  { tenant, actor, traceparent }: Writer,
  { denials }: WriteDeps,
  write: () => Promise<T>,
): Promise<T> {
  try {
    return await write();
  } catch (thrown) {
    const error = KnarrError.from(thrown);
    if (error.code === 'forbidden' || error.code === 'too_many_requests') {
      denials.record(error, { tenant, actor, action, target, traceId: traceId(traceparent) });
    }
    throw error;
  }
}
