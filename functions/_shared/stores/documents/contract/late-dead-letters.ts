import { describe, expect, test } from 'vitest';
import { type Emitted, emit } from '../../../events.ts';
import type { DocumentStore } from '../port.ts';
import { given, letter, newTenant, using } from './fixtures.ts';

/** The text in a dead letter does not outlive the document that it tells of. */
export function lateDeadLettersContract(store: () => DocumentStore): void {
  const { accepted } = using(store);

  describe('a late dead letter', () => {
    const SECRET = 'what nobody may read any more';
    async function late(tenant: string, emitted: Emitted, more: { time?: string | undefined } = {}) {
      const one = letter(tenant, `${emitted.name} ${more.time}`, emitted);
      await store().addDeadLetter({ ...one, event: { ...one.event, ...more } });
      return JSON.stringify((await store().deadLetters(tenant, { limit: 10 })).items);
    }
    const cut = (version: number) =>
      emit('chunks.created', 'a', {
        ...{ document: 'a', version, collection: 'default', generation: 'g', batch: 0, batches: 1 },
        chunks: [{ chunk: 0, context: '', text: SECRET }],
      });
    const submitted = emit('document.submitted', 'a', { document: 'a', text: SECRET });

    test('of a version that was replaced or deleted is not kept, nor its text', async () => {
      const tenant = newTenant();
      const ref = await accepted(given(tenant, 'a'));
      // That it has failed before makes no difference.
      await store().fail(ref, { code: 'internal', message: 'broken' });
      await accepted(given(tenant, 'a', 'two'));
      expect(await late(tenant, cut(1))).toBe('[]');
      expect(await late(tenant, cut(2))).toContain(SECRET);
      await store().remove(tenant, 'a');
      expect(await late(tenant, cut(2))).toBe('[]');
    });

    test('is not kept either when it comes while its document is being deleted', async () => {
      const tenant = newTenant();
      const ref = await accepted(given(tenant, 'a'));
      await store().fail(ref, { code: 'internal', message: 'broken' });
      let kept: Promise<string> | undefined;
      const within = async () => {
        kept = late(tenant, cut(1));
        await Promise.race([kept, new Promise((resolve) => setTimeout(resolve, 300))]);
      };
      await store().remove(tenant, 'a', { within });
      expect(await kept).toBe('[]');
    });

    test('of what was submitted before the deletion is not kept, of what came after it is', async () => {
      const tenant = newTenant();
      await accepted(given(tenant, 'a'));
      await store().remove(tenant, 'a');
      await accepted(given(tenant, 'a', 'two'));
      const [before, after] = [-60_000, 60_000].map((ms) => new Date(Date.now() + ms).toISOString());
      expect(await late(tenant, submitted, { time: before })).toBe('[]');
      expect(await late(tenant, submitted, { time: undefined })).toBe('[]');
      expect(await late(tenant, submitted, { time: after })).toContain(SECRET);
    });

    test('goes with the document that its data names, whatever its envelope says', async () => {
      const tenant = newTenant();
      await accepted(given(tenant, 'a'));
      expect(await late(tenant, { ...submitted, subject: 'else' })).toContain(SECRET);
      await store().remove(tenant, 'a');
      expect((await store().deadLetters(tenant, { limit: 10 })).items).toEqual([]);
    });
  });
}
