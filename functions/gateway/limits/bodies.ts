import { KnarrError } from '../../_shared/errors.ts';

/** Bytes of bodies that are in memory at once, whoever sent them. */
export interface Bodies {
  /** Room for one body, none of it taken yet. */
  open(): Room;
}

export interface Room {
  /** Takes so many bytes more. Throws `too_many_requests` when there is no room beside the bodies of others. */
  grow(bytes: number): void;
  /** Gives back all that was taken; it may grow again. */
  end(): void;
}

/** @param max bytes; a single body may be larger, since it has a limit of its own */
export function bodies(max: number): Bodies {
  let taken = 0;
  return {
    open() {
      let own = 0;
      return {
        grow(bytes) {
          if (taken > own && taken + bytes > max) {
            throw new KnarrError(
              'too_many_requests',
              'Too much is being received at once; try again shortly.',
            );
          }
          taken += bytes;
          own += bytes;
        },
        end() {
          taken -= own;
          own = 0;
        },
      };
    },
  };
}
