import type { ApiClient } from '../client.ts';
import type { Output } from '../output.ts';

export interface QuotaOptions {
  tenant?: string;
  /** Null: the default again. */
  documents?: number | null;
  bytes?: number | null;
  requests?: number | null;
  questions?: number | null;
}

interface QuotaView {
  tenant: string;
  quota: Record<'documents' | 'bytes' | 'requests_per_second' | 'questions', number | null>;
  used: { documents: number; bytes: number };
}

/** `knarr quotas`: what a tenant may have and has; with limits given, sets those and leaves the others as they are. */
export async function quotas(client: ApiClient, output: Output, options: QuotaOptions): Promise<number> {
  const { tenant, requests: requests_per_second, ...limits } = options;
  const given = { ...limits, ...(requests_per_second !== undefined && { requests_per_second }) };
  const view =
    Object.keys(given).length > 0
      ? await client.json<QuotaView>('PATCH', '/v1/admin/quotas', { ...given, ...(tenant && { tenant }) })
      : await client.json<QuotaView>(
          'GET',
          `/v1/admin/quotas${tenant ? `?${new URLSearchParams({ tenant })}` : ''}`,
        );
  output.data(view);
  const { quota, used } = view;
  const row = (name: keyof typeof quota, has: number | string) => [name, has, quota[name] ?? 'no limit'];
  output.table(
    [view.tenant, 'used', 'limit'],
    [
      row('documents', used.documents),
      row('bytes', used.bytes),
      row('requests_per_second', ''),
      row('questions', ''),
    ],
  );
  return 0;
}
