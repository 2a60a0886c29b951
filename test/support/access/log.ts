import type { World } from './world.ts';

/** A log that is looked at while it is written: that of a long run is too long to keep. */
export interface WatchedLog {
  add(line: string): void;
  readonly lines: number;
  /** What it must not say. */
  readonly leaks: readonly string[];
}

const MAX_LEAKS = 20;

/** @param secrets looked up in each line, so that those made later count as well */
export function openLog(world: World, secrets: readonly string[], prose: string): WatchedLog {
  const leaks: string[] = [];
  let lines = 0;
  return {
    add(line) {
      lines++;
      if (leaks.length >= MAX_LEAKS) return;
      for (const { token, canary } of world.find(line)) {
        // It may name documents and collections.
        if (canary.kind !== 'id' && canary.kind !== 'collection') leaks.push(`${canary.kind} ${token}`);
      }
      if (secrets.some((secret) => line.includes(secret))) leaks.push(`a secret: ${line.slice(0, 200)}`);
      if (line.includes(prose)) leaks.push(`a text: ${line.slice(0, 200)}`);
    },
    get lines() {
      return lines;
    },
    leaks,
  };
}
