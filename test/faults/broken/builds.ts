import type { BrokenBuild } from './build.ts';
import { ADMISSION } from './builds/admission.ts';
import { DELIVERY } from './builds/delivery.ts';
import { LEDGER } from './builds/ledger.ts';
import { OVERLOAD } from './builds/overload.ts';
import { READING } from './builds/reading.ts';
import { SERVING } from './builds/serving.ts';

export const BUILDS: readonly BrokenBuild[] = [
  ...LEDGER,
  ...DELIVERY,
  ...SERVING,
  ...OVERLOAD,
  ...READING,
  ...ADMISSION,
];
