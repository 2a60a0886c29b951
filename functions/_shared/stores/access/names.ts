import { z } from 'zod';

/** A tenant, as keys and tokens name it. */
export const TenantName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$/, 'letters, digits, . _ @ and -, at most 128 characters')
  .meta({ description: 'A tenant: nothing of one is ever shown to another.' });

/** A key's name, which is also its `user:` principal. */
export const KeyName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/, 'letters, digits, . _ @ and -, at most 64 characters')
  .meta({ description: 'For people; the key reads and writes as `user:<name>`. Several keys may share it.' });

/** Somebody who may be on a document's list. */
export const Principal = z
  .string()
  .max(256)
  .regex(/^(user|group):[^\p{Cc}\p{Cs}]+$/u, 'user:… or group:…')
  .meta({ description: '`user:…` or `group:…`.' });

/** What a caller can have: as many as fit into the headers that carry them from stage to stage. */
export const MAX_PRINCIPALS = 256;
