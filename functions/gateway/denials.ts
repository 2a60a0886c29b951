import type { KnarrError } from '../_shared/errors.ts';
import type { Logger } from '../_shared/stage.ts';
import type { AccessStore, AuditEntry } from '../_shared/stores/access/port.ts';

/** Who was denied what; without a tenant when nobody knows whose the token was: then only the log says it. */
export interface Denied {
  tenant?: string | undefined;
  actor?: string | undefined;
  action: string;
  target?: string | undefined;
  traceId?: string | undefined;
}

/** The record of what was denied. Equal denials within a moment become one entry with their number: a flood of them stays small. */
export interface Denials {
  /** An error that was recorded already is not recorded again on its way out. */
  record(error: KnarrError, denied: Denied): void;
  /** Writes what has gathered. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

const FLUSH_MS = 1000;
/** Different denials kept at once; beyond, targets and actors are no longer told apart. */
const MAX_KINDS = 1000;

export function openDenials(access: Pick<AccessStore, 'audit'>, log: Logger): Denials {
  const recorded = new WeakSet<KnarrError>();
  let gathered = new Map<
    string,
    Omit<AuditEntry, 'tenant'> & { tenant: string | undefined; count: number }
  >();

  async function flush(): Promise<void> {
    const entries = [...gathered.values()];
    gathered = new Map();
    for (const { tenant, actor, action, denied, count } of entries) {
      log.warn({ tenant, actor, action, code: denied, count }, 'denied');
    }
    const known = entries.flatMap(({ tenant, ...entry }) =>
      tenant === undefined ? [] : [{ ...entry, tenant }],
    );
    await access
      .audit(known)
      .catch((thrown) =>
        log.error({ err: thrown, entries: known.length }, 'denials are missing in the audit log'),
      );
  }
  const timer = setInterval(flush, FLUSH_MS).unref();

  return {
    record(error, { tenant, actor = 'unknown', action, target, traceId }) {
      if (recorded.has(error)) return;
      recorded.add(error);
      const isFull = gathered.size >= MAX_KINDS;
      const entry = {
        tenant,
        actor: isFull ? 'many' : actor,
        action,
        target: isFull ? undefined : target,
        denied: error.code,
      };
      const key = JSON.stringify(Object.values(entry));
      const same = gathered.get(key);
      if (same) same.count++;
      else gathered.set(key, { ...entry, traceId, count: 1 });
    },
    flush,
    async close() {
      clearInterval(timer);
      await flush();
    },
  };
}
