import { KnarrError } from '../../_shared/errors.ts';
import type { Caller } from '../../_shared/stage.ts';
import { ROLES, type Role } from '../../_shared/stores/access/port.ts';

/** A caller whose token was verified, or whoever asks on this machine where there is no authentication. */
export interface Identity extends Caller {
  /** Who it is for the audit log: `key:<id>` or `user:<name>`. */
  actor: string;
  role: Role;
  /** May administer every tenant. */
  isOperator: boolean;
}

/** Whether a role includes another. */
export const includesRole = (role: Role, needed: Role): boolean =>
  ROLES.indexOf(role) >= ROLES.indexOf(needed);

/** Everybody is this caller while no authentication is configured. */
export const LOCAL_CALLER: Identity = {
  tenant: 'default',
  principals: ['*', 'user:local'],
  actor: 'user:local',
  role: 'admin',
  isOperator: true,
};

/** Throws `unknown_collection` for a collection that the caller's token does not reach, as if it were not there. */
export function checkReading({ collections }: Caller, collection: string): void {
  if (collections === undefined || collections.includes(collection)) return;
  throw new KnarrError('unknown_collection', `There is no collection ${collection}.`);
}
