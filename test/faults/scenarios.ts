import type { Scenario } from './context.ts';
import { boundaries, randomKills, restarts, sigterm } from './scenarios/crashes.ts';
import { lossy, poison, repeated, shuffled, unheard, wipes } from './scenarios/delivery.ts';
import { frozenStage } from './scenarios/frozen.ts';
import { slowConsumer } from './scenarios/slow.ts';
import { frozen, restored } from './scenarios/stores.ts';

export const SCENARIOS: readonly Scenario[] = [
  restarts,
  boundaries,
  randomKills,
  sigterm,
  wipes,
  lossy,
  repeated,
  shuffled,
  poison,
  unheard,
  restored,
  frozen,
  frozenStage,
  slowConsumer,
];
