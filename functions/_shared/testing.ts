/** Randomness that a test can repeat: prints its seed, and takes it from the environment variable SEED. */
export function seededRandom(name: string) {
  const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
  console.info(`${name}: SEED=${seed}`);
  const random = mulberry32(seed);
  /** A whole number from 0 up to, not including, `end`. */
  const below = (end: number) => Math.floor(random() * end);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
  return { seed, random, below, pick };
}

/** A small generator of numbers in [0, 1) that is the same on every machine. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
