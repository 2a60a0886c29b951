import { readConfig } from '../../functions/_shared/config.ts';
import { createAccessStore } from '../../functions/_shared/stores/access/open.ts';
import { createDocumentStore } from '../../functions/_shared/stores/documents/open.ts';
import { storeKnobs } from '../../functions/_shared/stores/knobs.ts';
import { openDatabase } from '../../functions/_shared/stores/sql/open.ts';
import type { Tenant } from './prober.ts';

/** Makes tenants with an administrator's key each, in a store that no server has open. */
export async function createTenants(count: number, env: Record<string, string>): Promise<Tenant[]> {
  const database = await openDatabase(readConfig(storeKnobs, env));
  try {
    await createDocumentStore(database);
    const access = await createAccessStore(database);
    const tenants: Tenant[] = [];
    for (let n = 0; n < count; n++) {
      const name = `tenant-${n}`;
      const given = {
        tenant: name,
        name: 'prober',
        role: 'admin' as const,
        collections: null,
        principals: [],
      };
      const { key } = await access.createKey({ ...given, expiresAt: null }, { actor: 'test' });
      tenants.push({ name, token: key });
    }
    return tenants;
  } finally {
    await database.close();
  }
}
