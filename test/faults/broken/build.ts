import type { Store } from '../context.ts';
import type { VIOLATIONS } from '../oracle.ts';

/** A text that stands once in a file of the repository, and what it becomes. */
export interface Edit {
  file: string;
  from: string;
  to: string;
}

/** A scenario of `npm run test:faults` that has to fail. */
export interface CatchingScenario {
  scenario: string;
  /** Default `pglite`. */
  store?: Store;
  /** Default 0.4, as in the short form. */
  scale?: number;
  /** What the oracle has to count, any of them; or what the scenario itself has to say. */
  sees: readonly (typeof VIOLATIONS)[number][] | RegExp;
}

/** A test of a file that has to fail. */
export interface CatchingTest {
  file: string;
  /** Its name, without those of the groups around it. Default: any. */
  test?: string;
  /** What its failure has to say. Default: that of an assertion. */
  sees?: RegExp;
  env?: Record<string, string>;
}

/** A build that breaks a promise on purpose, to see that somebody notices. */
export interface BrokenBuild {
  name: string;
  /** Several where one guard stands behind another: only together do they break what is promised. */
  edits: readonly Edit[];
  caughtBy: CatchingScenario | CatchingTest;
  /** What is known when it is caught. */
  proves: string;
}

/** Line of the edit in its file, from 1. Throws unless its text stands there exactly once. */
export function lineOf(content: string, { file, from }: Edit): number {
  const [before = '', ...rest] = content.split(from);
  if (rest.length !== 1) throw new Error(`${file} holds ${rest.length} times, not once: ${from}`);
  const lead = from.length - from.trimStart().length;
  return (before + from.slice(0, lead)).split('\n').length;
}
