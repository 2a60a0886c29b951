import type { Schemas } from '@qdrant/js-client-rest';
import type { WorkTime } from '../port.ts';
import { pathOf, type Qdrant, type QdrantRequest } from './client.ts';

/**
 * How many points of a collection hold all conditions. Counted one by one unless `exact` is false: what the server
 * estimates depends on other points too.
 */
export type Count = (
  name: string,
  must: Schemas['Condition'][],
  options?: { time?: WorkTime | undefined; exact?: boolean },
) => Promise<number>;

export function qdrantCount(qdrant: Qdrant, read: NonNullable<QdrantRequest['query']>): Count {
  return async (name, must, { time, exact = true } = {}) => {
    const body = { filter: { must }, exact };
    const request = { method: 'POST', path: `${pathOf(name)}/points/count`, query: read, body } as const;
    return (await qdrant<Schemas['CountResult']>(request, time)).count;
  };
}
