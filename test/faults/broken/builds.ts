import type { BrokenBuild } from './build.ts';
import { READING } from './builds/access.ts';
import { DELIVERY } from './builds/delivery.ts';
import { LEDGER } from './builds/ledger.ts';
import { SERVING } from './builds/serving.ts';

export const BUILDS: readonly BrokenBuild[] = [...LEDGER, ...DELIVERY, ...SERVING, ...READING];
