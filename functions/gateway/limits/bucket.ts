/** A quota of `size` requests in each window of `windowMs`, given out evenly: a token bucket. */
export interface Policy {
  size: number;
  windowMs: number;
}

export interface Bucket {
  policy: Policy;
  /** Takes one; false when there is none. */
  take(now: number): boolean;
  /** What is left, and the milliseconds until it is full again and until there is one. */
  state(now: number): { left: number; fullMs: number; nextMs: number };
}

const MAX_WINDOW_S = 60;

/** The policy of a number of requests a second, which may be broken: 0.5 is one in two seconds. */
export function policyOf(perSecond: number): Policy {
  for (let seconds = 1; seconds < MAX_WINDOW_S; seconds++) {
    const size = perSecond * seconds;
    if (size >= 1 && Number.isInteger(size)) return { size, windowMs: seconds * 1000 };
  }
  return { size: Math.max(1, Math.floor(perSecond * MAX_WINDOW_S)), windowMs: MAX_WINDOW_S * 1000 };
}

export function bucketOf(policy: Policy, now: number): Bucket {
  const { size, windowMs } = policy;
  let left = size;
  let at = now;
  const fill = (time: number) => {
    left = Math.min(size, left + (Math.max(0, time - at) * size) / windowMs);
    at = time;
  };
  return {
    policy,
    take(time) {
      fill(time);
      if (left < 1) return false;
      left--;
      return true;
    },
    state(time) {
      fill(time);
      const msOf = (tokens: number) => Math.max(0, (tokens * windowMs) / size);
      return { left: Math.floor(left), fullMs: msOf(size - left), nextMs: msOf(1 - left) };
    },
  };
}
