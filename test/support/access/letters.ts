import { type EventData, emit, toCloudEvent } from '../../../functions/_shared/events.ts';
import type { DocumentStore } from '../../../functions/_shared/stores/documents/port.ts';
import { question, type Random, type World } from './world.ts';

/** What was asked in these tenants and failed half-way, with all that it carried. Gives the ids of the dead letters. */
export async function addDeadLetters(
  documents: DocumentStore,
  tenants: readonly string[],
  world: World,
  random: Random,
): Promise<string[]> {
  const ids: string[] = [];
  for (const tenant of tenants) {
    for (const principals of [
      ['*', 'user:ann'],
      ['*', 'user:bob', 'group:hr'],
    ]) {
      const about = { tenant, acl: principals, collection: '' };
      // In the passages that were found for it stands what nobody may read any more.
      const withdrawn = world.plant({ tenant, acl: [], collection: '', kind: 'text' });
      const data = {
        query: 'q',
        question: `${question(random)} ${world.plant({ ...about, kind: 'question' })}`,
        collection: 'default',
        principals,
        passages: [{ document: 'gone', version: 1, chunk: 0, text: withdrawn }],
      } as unknown as EventData<'query.grounded'>;
      const id = `letter-${tenant}-${principals.length}`;
      ids.push(id);
      await documents.addDeadLetter({
        id,
        tenant,
        event: toCloudEvent('fetch', emit('query.grounded', 'q', data), { tenant }),
        code: 'internal',
        message: 'It failed.',
        destination: 'http://generate',
        receivedAt: new Date().toISOString(),
      });
    }
  }
  return ids;
}
