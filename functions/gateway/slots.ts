import { KnarrError } from '../_shared/errors.ts';

/** A bounded number of things at once. */
export interface Slots {
  /** Takes a slot and gives back how to release it (once; repeats do nothing). Throws `too_many_requests` when all are taken. */
  take(): () => void;
}

/** @param what named in the refusal, e.g. `questions` */
export function slots(max: number, what: string): Slots {
  let taken = 0;
  return {
    take() {
      if (taken >= max) {
        throw new KnarrError('too_many_requests', `${max} ${what} are being answered; try again shortly.`);
      }
      taken++;
      let held = true;
      return () => {
        if (held) taken--;
        held = false;
      };
    },
  };
}
