import { mulberry32 } from './random.ts';

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
