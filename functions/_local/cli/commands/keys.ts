import { userInfo } from 'node:os';
import { ConfigError, duration, readConfig } from '../../../_shared/config.ts';
import { KnarrError } from '../../../_shared/errors.ts';
import { validate } from '../../../_shared/runtime/problem.ts';
import { createAccessStore } from '../../../_shared/stores/access/open.ts';
import type { ApiKey } from '../../../_shared/stores/access/port.ts';
import { createDocumentStore } from '../../../_shared/stores/documents/open.ts';
import { storeKnobs } from '../../../_shared/stores/knobs.ts';
import { openDatabase } from '../../../_shared/stores/sql/open.ts';
import { keyView, NewKey } from '../../../gateway/api/admin-keys.ts';
import { type ApiClient, apiClient } from '../client.ts';
import type { Output } from '../output.ts';

export interface StoreOptions {
  tenant?: string;
  /** Folder of an embedded store: no server is asked. */
  data?: string;
  /** The store of `DATABASE_URL` or `KNARR_DATA_DIR`: no server is asked. */
  store?: boolean;
}
export interface CreateOptions extends StoreOptions {
  role: string;
  admin?: boolean;
  collection?: string[];
  principal?: string[];
  expires?: string;
}
type KeyView = ReturnType<typeof keyView>;
type CreatedKey = KeyView & { key: string };
type KeyRequest = ReturnType<typeof NewKey.parse>;

/** Keys by way of a server, or in the store itself, whose owner needs no key. */
interface KeyAdmin {
  create(request: KeyRequest): Promise<CreatedKey>;
  list(tenant: string | undefined): Promise<KeyView[]>;
  revoke(id: string, tenant: string | undefined): Promise<KeyView>;
  close(): Promise<void>;
}

const tenantQuery = (tenant: string | undefined, more: Record<string, string> = {}) =>
  new URLSearchParams({ ...more, ...(tenant !== undefined && { tenant }) });

function byServer(client: ApiClient): KeyAdmin {
  return {
    create: (request) => client.json('POST', '/v1/admin/keys', request),
    async list(tenant) {
      const all: KeyView[] = [];
      for (let cursor: string | undefined = ''; cursor !== undefined; ) {
        const query = tenantQuery(tenant, { limit: '1000', ...(cursor && { cursor }) });
        const page: { keys: KeyView[]; next?: string } = await client.json('GET', `/v1/admin/keys?${query}`);
        all.push(...page.keys);
        cursor = page.next;
      }
      return all;
    },
    revoke: (id, tenant) =>
      client.json('DELETE', `/v1/admin/keys/${encodeURIComponent(id)}?${tenantQuery(tenant)}`),
    async close() {},
  };
}

async function inStore({ data }: StoreOptions, env: Record<string, string | undefined>): Promise<KeyAdmin> {
  const config = readConfig(storeKnobs, data === undefined ? env : { KNARR_DATA_DIR: data });
  const database = await openDatabase(config);
  try {
    // Usage is counted from the documents that are there.
    await createDocumentStore(database);
    const access = await createAccessStore(database);
    const by = { actor: `store:${userInfo().username}` };
    return {
      async create({ tenant = 'default', collections = null, expires_at, ...given }) {
        const expiresAt = expires_at === undefined ? null : new Date(expires_at);
        const { key, record } = await access.createKey({ ...given, tenant, collections, expiresAt }, by);
        return { ...keyView(record), key };
      },
      async list(tenant = 'default') {
        const all: ApiKey[] = [];
        for (let cursor: string | undefined = ''; cursor !== undefined; ) {
          const page = await access.keys(tenant, { limit: 1000, ...(cursor && { cursor }) });
          all.push(...page.items);
          cursor = page.next;
        }
        return all.map(keyView);
      },
      async revoke(id, tenant = 'default') {
        const revoked = await access.revokeKey(tenant, id, by);
        if (!revoked) throw new KnarrError('not_found', `${tenant} has no key ${id}.`);
        return keyView(revoked);
      },
      close: () => database.close(),
    };
  } catch (thrown) {
    await database.close();
    throw thrown;
  }
}

export interface Target extends StoreOptions {
  url: string;
  token?: string | undefined;
}

async function administering<T>(target: Target, work: (keys: KeyAdmin) => Promise<T>): Promise<T> {
  const isStore = target.store || target.data !== undefined;
  const keys = isStore ? await inStore(target, process.env) : byServer(apiClient(target.url, target.token));
  try {
    return await work(keys);
  } finally {
    await keys.close();
  }
}

/** `knarr keys create`: the secret is standard output's only line in a terminal, so that it can be piped on. */
export async function createKey(
  output: Output,
  name: string,
  options: CreateOptions & Target,
): Promise<number> {
  const request = validate(
    NewKey,
    {
      name,
      role: options.admin ? 'admin' : options.role,
      ...(options.collection && { collections: options.collection }),
      ...(options.principal && { principals: options.principal }),
      ...(options.expires && { expires_at: expiry(options.expires) }),
      ...(options.tenant && { tenant: options.tenant }),
    },
    'The key',
  );
  return administering(options, async (keys) => {
    const created = await keys.create(request);
    output.data(created);
    output.text(created.key);
    if (!output.json) {
      output.note(
        `${created.role} ${created.name} of tenant ${created.tenant}, id ${created.id}. It is shown this once: keep it.`,
      );
    }
    return 0;
  });
}

/** `90d` from now, or an instant as it is. */
function expiry(text: string): string {
  const lasting = duration('1d').safeParse(text);
  if (lasting.success) return new Date(Date.now() + lasting.data).toISOString();
  if (Number.isNaN(Date.parse(text))) throw new ConfigError([`--expires ${text}: expected 90d or a date`]);
  return new Date(text).toISOString();
}

/** `knarr keys list` */
export function listKeys(output: Output, target: Target): Promise<number> {
  return administering(target, async (keys) => {
    const all = await keys.list(target.tenant);
    output.data({ keys: all });
    output.table(
      ['id', 'name', 'role', 'collections', 'principals', 'last used', 'state'],
      all.map((key) => [
        key.id,
        key.name,
        key.role,
        key.collections?.join(', ') ?? 'all',
        key.principals.join(', '),
        key.last_used_at ?? 'never',
        stateOf(key),
      ]),
    );
    return 0;
  });
}

function stateOf({ revoked_at, expires_at }: KeyView): string {
  if (revoked_at !== null) return `revoked ${revoked_at}`;
  if (expires_at === null) return 'valid';
  return `${Date.parse(expires_at) <= Date.now() ? 'expired' : 'until'} ${expires_at}`;
}

/** `knarr keys revoke` */
export function revokeKeys(output: Output, ids: string[], target: Target): Promise<number> {
  return administering(target, async (keys) => {
    for (const id of ids) {
      const revoked = await keys.revoke(id, target.tenant);
      output.data(revoked);
      output.text(`revoked: ${revoked.id} (${revoked.name})`);
    }
    return 0;
  });
}
