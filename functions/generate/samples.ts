import type { Passage } from '../_shared/contracts.ts';
import type { Logger } from '../_shared/stage.ts';
import type { GenerateCall } from './port.ts';

/** Material for tests: a passage of a text, and the call that a generator works for. */

export function passageOf(text: string, about: Partial<Passage> = {}): Passage {
  return {
    document: 'document',
    version: 1,
    title: null,
    uri: null,
    chunk: 0,
    range: [0, text.length],
    headings: [],
    metadata: {},
    text,
    score: 1,
    ...about,
  };
}

const silent: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silent,
};

export function callOf(options: Partial<GenerateCall> = {}): GenerateCall {
  return {
    tenant: 'default',
    principals: ['*'],
    signal: new AbortController().signal,
    log: silent,
    ...options,
  };
}
