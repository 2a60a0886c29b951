import { KnarrError } from '../_shared/errors.ts';

/** A bounded number of things at once. */
export interface Slots {
  /** Takes a slot and gives back how to release it (once; repeats do nothing). Throws `too_many_requests` when all are taken. */
  take(): () => void;
  taken(): number;
}

/** @param what named in the refusal, e.g. `questions` */
export function slots(max: number | (() => number), what: string): Slots {
  const limit = typeof max === 'number' ? () => max : max;
  let taken = 0;
  return {
    take() {
      if (taken >= limit()) {
        throw new KnarrError(
          'too_many_requests',
          `${limit()} ${what} are being answered; try again shortly.`,
        );
      }
      taken++;
      let held = true;
      return () => {
        if (held) taken--;
        held = false;
      };
    },
    taken: () => taken,
  };
}
