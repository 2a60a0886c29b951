import type { Timings } from '../rag/question.ts';

/** W3C Server Timing: `embed;dur=3.1, search;dur=2.4, …`. */
export const serverTiming = (timings: Timings): string =>
  Object.entries(timings)
    .map(([step, milliseconds]) => `${step};dur=${milliseconds}`)
    .join(', ');
