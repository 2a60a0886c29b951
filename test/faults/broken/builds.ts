import type { BrokenBuild } from './build.ts';
import { READING } from './builds/access.ts';
import { DELIVERY } from './builds/delivery.ts';
import { LEDGER } from './builds/ledger.ts';
import { OVERLOAD } from './builds/overload.ts';
import { SERVING } from './builds/serving.ts';

export const BUILDS: readonly BrokenBuild[] = [...LEDGER, ...DELIVERY, ...SERVING, ...OVERLOAD, ...READING];
