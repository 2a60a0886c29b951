import { BINARY } from './binary.ts';
import type { CorpusCase } from './case.ts';
import { EVENT_DATA } from './data.ts';
import { MEANING } from './meaning.ts';
import { NO_EVENTS } from './no-events.ts';
import { STRUCTURED_MODE } from './structured.ts';
import { TRANSPORT } from './transport.ts';

/** Malformed, odd and oversized CloudEvents over HTTP, with the answer that each must get; see README.md. */
export const CORPUS: readonly CorpusCase[] = [
  ...BINARY,
  ...STRUCTURED_MODE,
  ...EVENT_DATA,
  ...NO_EVENTS,
  ...MEANING,
  ...TRANSPORT,
];
export type { CorpusCase, Expectation, Target } from './case.ts';
