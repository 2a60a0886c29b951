import { describeApi } from '../../../functions/gateway/api/app.ts';
import type { Exchange } from './exchange.ts';

/** Every call that the API documents: method and path, as a pattern of what was called. */
const CALLS = Object.entries(describeApi().paths ?? {}).flatMap(([path, methods]) =>
  Object.keys(methods as object).map((method) => ({
    name: `${method.toUpperCase()} ${path}`,
    pattern: new RegExp(`^${method.toUpperCase()} ${path.replace(/\{\w+\}/g, '[^/]+')}$`),
  })),
);

/** How often each documented call was made, and granted. */
export interface Tally {
  add(done: Exchange): void;
  /** Answers by status. */
  readonly statuses: Readonly<Record<number, number>>;
  /** Names of the calls that were never made, or never granted. */
  without(count: 'made' | 'granted'): string[];
  /** A line for each call. */
  lines(): string[];
}

export function openTally(): Tally {
  const statuses: Record<number, number> = {};
  const counts = new Map(CALLS.map(({ name }) => [name, { made: 0, granted: 0, ms: 0 }]));
  return {
    add({ call, reply, from, to }) {
      statuses[reply.status] = (statuses[reply.status] ?? 0) + 1;
      const [bare = ''] = call.split('?');
      const counted = counts.get(CALLS.find(({ pattern }) => pattern.test(bare))?.name ?? '');
      if (!counted) return;
      counted.made++;
      counted.ms += to - from;
      if (reply.status < 300) counted.granted++;
    },
    statuses,
    without: (count) => [...counts].filter(([, counted]) => counted[count] === 0).map(([name]) => name),
    lines: () =>
      [...counts].map(
        ([name, { made, granted, ms }]) =>
          `${name}: ${made}, of which ${granted} granted, ${(ms / made).toFixed(1)} ms each`,
      ),
  };
}
