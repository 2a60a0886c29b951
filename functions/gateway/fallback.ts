import { setTimeout as sleep } from 'node:timers/promises';

/** How long a request waits for something of which it has a recent value, milliseconds. */
const PATIENCE_MS = 50;

/** The new value, or the one that is known when the new one fails or takes too long: a store that stands still stops nobody. */
export const orKnown = <T>(renewing: Promise<T>, known: T): Promise<T> =>
  Promise.race([renewing.catch(() => known), sleep(PATIENCE_MS, known)]);
