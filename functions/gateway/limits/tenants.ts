import { LRUCache } from 'lru-cache';
import type { Config } from '../../_shared/config.ts';
import { KnarrError } from '../../_shared/errors.ts';
import type { AccessStore, Quota, Usage } from '../../_shared/stores/access/port.ts';
import { type Claim, turns } from '../../_shared/turns.ts';
import { orKnown } from '../fallback.ts';
import { type Slots, slots } from '../slots.ts';
import { type Bucket, bucketOf, policyOf } from './bucket.ts';
import type { quotaKnobs } from './knobs.ts';

/** How old a tenant's quota may be, milliseconds: the time until a change holds on every replica. */
const FRESH_MS = 5000;
const MAX_TENANTS = 10_000;
/** A full tenant should not come back at once: somebody has to delete something, or to raise the quota. Seconds. */
const FULL_RETRY_S = 60;
const WRITE_WAIT_MS = 10_000;

interface Tenant {
  quota: Quota;
  until: number;
  bucket: Bucket | undefined;
}

/** Quotas of tenants. Documents and bytes are counted in the store; requests and questions in this process. */
export interface TenantLimits {
  /** Counts a request. Throws `too_many_requests`. */
  request(tenant: string): Promise<void>;
  /** A turn for a question; what comes back ends it (once; repeats do nothing). Rejects as {@link turns} does, and with `too_many_requests`. */
  question(claim: Claim): Promise<() => void>;
  /** Throws what a question of this tenant would be refused with now. */
  checkQuestion(tenant: string): void;
  /** The same for a write, which waits for its turn for {@link WRITE_WAIT_MS} at most. */
  write<T>(tenant: string, work: () => Promise<T>): Promise<T>;
  /** The same for a deletion. It needs the ledger alone, and goes by writes that wait for the store of originals. */
  remove<T>(tenant: string, work: () => Promise<T>): Promise<T>;
  /** `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10) for an answer to this tenant. */
  headers(tenant: string): Record<string, string>;
  quota(tenant: string): Promise<Quota>;
  /** Throws `too_many_requests` when a write that adds `change` brings the tenant over its quota. */
  check(quota: Quota, usage: Usage, change: Usage): void;
  /** Its quota was changed here. */
  forget(tenant: string): void;
}

/** @param max of all tenants together */
export function tenantLimits(
  access: Pick<AccessStore, 'quota'>,
  config: Config<typeof quotaKnobs>,
  max: { maxQuestions: number; maxWrites: number },
): TenantLimits {
  const tenants = new LRUCache<string, Tenant>({ max: MAX_TENANTS });
  const all = turns({ max: max.maxQuestions, refuse: 'questions' });
  const writes = turns({ max: max.maxWrites, refuse: 'writes' });
  const removals = turns({ max: max.maxWrites, refuse: 'deletions' });
  const pending = new Map<string, Promise<Tenant>>();
  const questions = new Map<string, Slots>();

  async function of(tenant: string): Promise<Tenant> {
    const known = tenants.get(tenant);
    if (known && Date.now() < known.until) return known;
    const reading = pending.get(tenant) ?? read(tenant, known).finally(() => pending.delete(tenant));
    pending.set(tenant, reading);
    return known ? orKnown(reading, known) : reading;
  }

  async function read(tenant: string, known: Tenant | undefined): Promise<Tenant> {
    const now = Date.now();
    const quota = withDefaults(await access.quota(tenant), config);
    const policy = quota.requestsPerSecond === null ? undefined : policyOf(quota.requestsPerSecond);
    const isSame =
      known?.bucket?.policy.size === policy?.size && known?.bucket?.policy.windowMs === policy?.windowMs;
    const bucket = isSame ? known?.bucket : policy && bucketOf(policy, now);
    const fresh = { quota, until: now + FRESH_MS, bucket };
    tenants.set(tenant, fresh);
    return fresh;
  }

  function headers(tenant: string): Record<string, string> {
    const known = tenants.get(tenant);
    const policies: string[] = [];
    const states: string[] = [];
    if (known?.bucket) {
      const { policy } = known.bucket;
      const { left, fullMs } = known.bucket.state(Date.now());
      policies.push(`"requests";q=${policy.size};w=${policy.windowMs / 1000}`);
      states.push(`"requests";r=${left};t=${Math.ceil(fullMs / 1000)}`);
    }
    if (known && known.quota.questions !== null) {
      policies.push(`"questions";q=${known.quota.questions};qu="concurrent-requests"`);
      states.push(`"questions";r=${known.quota.questions - (questions.get(tenant)?.taken() ?? 0)}`);
    }
    if (policies.length === 0) return {};
    return { 'ratelimit-policy': policies.join(', '), ratelimit: states.join(', ') };
  }

  return {
    headers,
    quota: async (tenant) => (await of(tenant)).quota,
    forget: (tenant) => void tenants.delete(tenant),

    async request(tenant) {
      const { bucket } = await of(tenant);
      const now = Date.now();
      if (!bucket || bucket.take(now)) return;
      throw new KnarrError('too_many_requests', "The tenant's requests come faster than its quota allows.", {
        retryAfter: Math.max(1, bucket.state(now).nextMs / 1000),
        headers: headers(tenant),
      });
    },

    async question(claim) {
      const { tenant } = claim;
      if ((await of(tenant)).quota.questions === null) return all.take(claim);
      const limit = () => tenants.peek(tenant)?.quota.questions ?? max.maxQuestions;
      const own = questions.get(tenant) ?? slots(limit, 'questions of this tenant');
      questions.set(tenant, own);
      const releases: (() => void)[] = [];
      const release = () => {
        for (const free of releases) free();
        // Whoever ends twice finds the place of those that came meanwhile.
        if (own.taken() === 0 && questions.get(tenant) === own) questions.delete(tenant);
      };
      try {
        releases.push(own.take());
        releases.push(await all.take(claim));
      } catch (thrown) {
        release();
        throw thrown instanceof KnarrError ? withHeaders(thrown, headers(tenant)) : thrown;
      }
      return release;
    },

    checkQuestion: all.check,

    write: (tenant, work) => writes.run({ tenant, deadline: Date.now() + WRITE_WAIT_MS }, work),
    remove: (tenant, work) => removals.run({ tenant, deadline: Date.now() + WRITE_WAIT_MS }, work),

    check(quota, usage, change) {
      for (const what of ['documents', 'bytes'] as const) {
        const limit = quota[what];
        if (limit === null || change[what] <= 0 || usage[what] <= limit) continue;
        throw new KnarrError('too_many_requests', `The tenant's quota of ${limit} ${what} is used up.`, {
          retryAfter: FULL_RETRY_S,
          details: { quota: what, limit, used: usage[what] - change[what] },
        });
      }
    },
  };
}

const orNull = (limit: number) => (limit === 0 ? null : limit);

function withDefaults(set: Quota, defaults: Config<typeof quotaKnobs>): Quota {
  return {
    documents: set.documents ?? orNull(defaults.quotaDocuments),
    bytes: set.bytes ?? orNull(defaults.quotaBytes),
    requestsPerSecond: set.requestsPerSecond ?? orNull(defaults.quotaRequests),
    questions: set.questions ?? orNull(defaults.quotaQuestions),
  };
}

const withHeaders = ({ code, message, retryAfter, details }: KnarrError, headers: Record<string, string>) =>
  new KnarrError(code, message, { ...(retryAfter !== undefined && { retryAfter }), details, headers });
