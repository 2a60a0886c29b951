import type { CloudEvent } from '../../_shared/events.ts';
import type { NewApiKey, Role } from '../../_shared/stores/access/port.ts';
import { openTestGateway } from '../testing.ts';

export const BY = { actor: 'test' };

/** A gateway that asks for keys, and callers of it. */
export async function openGuarded(
  env: Record<string, string> = {},
  stages: Parameters<typeof openTestGateway>[1] = {},
) {
  const gateway = await openTestGateway({ KNARR_AUTH: 'keys', ...env }, stages);
  const ask = (
    token: string | undefined,
    method: string,
    path: string,
    body?: unknown,
    init: RequestInit = {},
  ) =>
    gateway.ask(method, path, body, {
      ...init,
      headers: { ...(init.headers as object), ...(token && { authorization: `Bearer ${token}` }) },
    });
  async function key(role: Role, more: Partial<NewApiKey> = {}) {
    const given = { tenant: 'acme', name: role, role, collections: null, principals: [], expiresAt: null };
    return gateway.deps.access.createKey({ ...given, ...more }, BY);
  }
  const caller = async (role: Role, more: Partial<NewApiKey> = {}) => {
    const { key: token } = await key(role, more);
    return (method: string, path: string, body?: unknown, init?: RequestInit) =>
      ask(token, method, path, body, init);
  };
  /** A caller of each role. */
  const roles = async () => ({
    reader: await caller('reader'),
    writer: await caller('writer'),
    admin: await caller('admin'),
  });
  return { gateway, ask, key, caller, roles };
}
export type Guarded = Awaited<ReturnType<typeof openGuarded>>;
export type Ask = Awaited<ReturnType<Guarded['caller']>>;

export const auditOf = async (admin: Ask, query = '') =>
  (await admin('GET', `/v1/audit${query}`)).body.entries;

/** How often what was denied, by `<code> <action> <target>`; one denial may stand in several entries. */
export async function deniedOf(admin: Ask, query = ''): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { denied, action, target, count } of await auditOf(admin, `?outcome=denied${query}`)) {
    const key = `${denied} ${action} ${target ?? ''}`.trimEnd();
    counts[key] = (counts[key] ?? 0) + count;
  }
  return counts;
}

export const submission = (document: string, more: object = {}): CloudEvent => ({
  specversion: '1.0',
  id: `submit-${document}`,
  source: 'https://example.org/wiki',
  type: 'dev.knarr.document.submitted.v1',
  datacontenttype: 'application/json',
  tenant: 'globex',
  data: { document, text: 'A knarr is a ship.', ...more },
});
