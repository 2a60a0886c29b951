import { KnarrError } from '../../_shared/errors.ts';
import type { Identity } from './identity.ts';

/** A token that holds, until `until` (milliseconds since the epoch) at most; or why it does not, and whose it seems to be. */
export type Verified =
  | { identity: Identity; until: number; refusal?: undefined }
  | { refusal: KnarrError; tenant?: string; actor?: string };

export const refused = (message: string, whose: { tenant?: string; actor?: string } = {}): Verified => ({
  refusal: new KnarrError('unauthenticated', message, {
    headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
  }),
  ...whose,
});
