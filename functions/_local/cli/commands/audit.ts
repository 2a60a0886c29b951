import type { ApiClient } from '../client.ts';
import type { Output } from '../output.ts';

export interface AuditOptions {
  limit: number;
  tenant?: string;
  actor?: string;
  action?: string;
  target?: string;
  denied?: boolean;
}

interface Entry {
  at: string;
  actor: string;
  action: string;
  target: string | null;
  denied: string | null;
  count: number;
}

/** `knarr audit`: who did what, newest first. */
export async function audit(client: ApiClient, output: Output, options: AuditOptions): Promise<number> {
  const { denied, limit, ...filter } = options;
  const entries: Entry[] = [];
  for (let cursor: string | undefined = ''; cursor !== undefined && entries.length < limit; ) {
    const query = new URLSearchParams({
      ...filter,
      limit: String(Math.min(1000, limit - entries.length)),
      ...(denied && { outcome: 'denied' }),
      ...(cursor && { cursor }),
    });
    const page: { entries: Entry[]; next?: string } = await client.json('GET', `/v1/audit?${query}`);
    entries.push(...page.entries);
    cursor = page.next;
  }
  output.data({ entries });
  output.table(
    ['at', 'actor', 'action', 'target', 'outcome'],
    entries.map(({ at, actor, action, target, denied: why, count }) => [
      at,
      actor,
      action,
      target ?? '',
      why === null ? 'done' : `${why}${count > 1 ? ` ×${count}` : ''}`,
    ]),
  );
  return 0;
}
