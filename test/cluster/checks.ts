import { again } from './checks/again.ts';
import { canary } from './checks/canary.ts';
import { deadLetters } from './checks/dead-letters.ts';
import { byEvents, byHttp } from './checks/documents.ts';
import { kills } from './checks/kills.ts';
import { everythingReady } from './checks/ready.ts';
import { vectorsLost } from './checks/vectors-lost.ts';
import { warm } from './checks/warm.ts';
import { toZero } from './checks/zero.ts';
import type { Check } from './context.ts';

/** In the order in which they run: what measures a quiet system comes before what upsets it. */
export const CHECKS: readonly Check[] = [
  everythingReady,
  again,
  byHttp,
  byEvents,
  warm,
  toZero,
  deadLetters,
  canary,
  kills,
  vectorsLost,
];
