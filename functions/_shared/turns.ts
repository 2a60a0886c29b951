import { KnarrError } from './errors.ts';
import { callScope } from './runtime/call.ts';
import type { Call } from './stage.ts';

/** Who wants a turn. Waiting ends with the signal and at the deadline. */
export type Claim = Pick<Call, 'tenant'> & Partial<Pick<Call, 'signal' | 'deadline'>>;

/** A bounded number of things at once, which tenants share. */
export interface Turns {
  /**
   * Resolves to what ends the turn (once; repeats do nothing). While all are taken, the next one goes to the tenant that
   * has the fewest. Rejects with `too_many_requests`, `cancelled`, and `unavailable` when the deadline passes first.
   */
  take(claim: Claim): Promise<() => void>;
  /** Throws what a claim of this tenant would be refused with now, so that nothing need be begun for it. */
  check(tenant: string): void;
  /** The work in a turn of its own. */
  run<T>(claim: Claim, work: () => Promise<T>): Promise<T>;
}

export interface TurnsOptions {
  max: number;
  /** What they are, for the refusal, e.g. `questions`. Without it everybody waits: the number of claims is bounded elsewhere. */
  refuse?: string;
}

interface Tenant {
  taken: number;
  waiting: (() => void)[];
}

/** Part of the turns that one tenant leaves to others. */
const RESERVED = 1 / 8;

/**
 * With `refuse`, a tenant waits only while it has less than its fair share of the turns, at work and waiting: whoever asks
 * for more when all are taken is refused at once, and finds no queue to fill.
 */
export function turns({ max, refuse }: TurnsOptions): Turns {
  /** Of one tenant: the rest is for others, who then need not even wait. */
  const most = max - Math.floor(max * RESERVED);
  /** Those with something at work or waiting; who was served last is last. */
  const tenants = new Map<string, Tenant>();
  let taken = 0;
  let waiting = 0;

  function begin(name: string, tenant: Tenant): () => void {
    taken++;
    tenant.taken++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      taken--;
      tenant.taken--;
      forgetIdle(name, tenant);
      next();
    };
  }

  function forgetIdle(name: string, tenant: Tenant): void {
    // Whoever left may look only after another has taken its name's place.
    if (tenants.get(name) !== tenant) return;
    if (tenant.taken === 0 && tenant.waiting.length === 0) tenants.delete(name);
  }

  function next(): void {
    if (waiting === 0 || taken >= max) return;
    let chosen: [string, Tenant] | undefined;
    for (const one of tenants) {
      if (one[1].waiting.length > 0 && one[1].taken < (chosen?.[1].taken ?? Number.POSITIVE_INFINITY))
        chosen = one;
    }
    if (!chosen) return;
    tenants.delete(chosen[0]);
    tenants.set(...chosen);
    chosen[1].waiting.shift()?.();
  }

  function check(name: string): void {
    if (refuse === undefined) return;
    const tenant = tenants.get(name);
    const own = tenant ? tenant.taken + tenant.waiting.length : 0;
    if (taken < max && own < most) return;
    const share = Math.max(1, Math.floor(max / (tenants.size + (tenant ? 0 : 1))));
    if (waiting < max && own < Math.min(share, most)) return;
    throw new KnarrError('too_many_requests', `${max} ${refuse} are being answered; try again shortly.`);
  }

  async function wait(claim: Claim, tenant: Tenant): Promise<() => void> {
    const scope = callScope(claim.signal ?? new AbortController().signal, claim.deadline);
    let leave = () => {};
    waiting++;
    try {
      return await new Promise<() => void>((resolve, reject) => {
        const start = () => resolve(begin(claim.tenant, tenant));
        leave = () => {
          const place = tenant.waiting.indexOf(start);
          if (place === -1) return;
          tenant.waiting.splice(place, 1);
          reject(reasonOf(scope.signal));
        };
        tenant.waiting.push(start);
        if (scope.signal.aborted) leave();
        else scope.signal.addEventListener('abort', leave, { once: true });
      });
    } finally {
      waiting--;
      scope.signal.removeEventListener('abort', leave);
      scope.end();
    }
  }

  async function take(claim: Claim): Promise<() => void> {
    check(claim.tenant);
    const tenant = tenants.get(claim.tenant) ?? { taken: 0, waiting: [] };
    tenants.set(claim.tenant, tenant);
    if (taken < max) return begin(claim.tenant, tenant);
    return wait(claim, tenant).finally(() => forgetIdle(claim.tenant, tenant));
  }

  return {
    take,
    check,
    async run(claim, work) {
      const end = await take(claim);
      try {
        return await work();
      } finally {
        end();
      }
    },
  };
}

function reasonOf({ reason }: AbortSignal): KnarrError {
  const error = KnarrError.from(reason);
  if (error.code !== 'deadline_exceeded') return error;
  return new KnarrError('unavailable', 'The time was up before the turn came.', { cause: reason });
}
