import { expect } from 'vitest';
import type { It } from '../case.ts';
import type { Traits } from '../traits.ts';

export function filters(traits: Traits, it: It): void {
  it('a Trigger gets the events that have all of its attributes', (c) => {
    c.trigger('type')
      .trigger('both', { attributes: { tenant: 'acme' } })
      .trigger('other', { attributes: { tenant: 'other' } })
      .trigger('number', { attributes: { n: '1' } });
    return async () => {
      await c.post({ id: '1' });
      await c.post({ id: '2', tenant: 'acme' });
      await c.send(c.structured({ id: '3', n: 1 }), traits.path);
      await c.post({ id: '4', tenant: 'acme', n: '1' });
      await c.until('type', 4);
      await c.until('both', 2);
      await c.until('number', 1);
      expect(c.ids('type').toSorted()).toEqual(['1', '2', '3', '4']);
      expect(c.ids('both').toSorted()).toEqual(['2', '4']);
      // An integer is not its text.
      expect(c.ids('number')).toEqual(['4']);
      expect(c.ids('other')).toEqual([]);
    };
  });

  it('the filter value ""', (c) => {
    c.trigger('present', { attributes: { tenant: '' } }).trigger('all');
    return async () => {
      await c.post({ id: '1', tenant: 'acme' });
      await c.post({ id: '2' });
      await c.until('all', 2);
      if (traits.filtersPresence) await c.until('present', 1);
      expect(c.ids('present')).toEqual(traits.filtersPresence ? ['1'] : []);
    };
  });

  it('an event arrives as it was sent', (c) => {
    c.trigger('s');
    return async () => {
      const sent = { tenant: 'acme', subject: 'æ / 漢', data: { text: 'é', n: [1, null] } };
      const headers = {
        'x-request-id': 'r1',
        'knative-thing': 'k',
        authorization: 'Bearer secret',
        cookie: 'a=1',
      };
      await c.post({ ...sent, knativebrokerttl: 9 }, headers);
      const [first] = await c.until('s', 1);
      // Where hops are counted, the subscriber does not see them.
      expect(first?.event).toEqual(
        c.event({ ...sent, ...(!traits.countsHops && { knativebrokerttl: '9' }) }),
      );
      const seen = Object.fromEntries(first?.headers ?? []);
      const passed = { prefer: 'reply', 'x-request-id': 'r1', 'knative-thing': 'k' };
      for (const [name, value] of Object.entries(passed))
        expect(seen[name]).toBe(traits.passesHeaders ? value : undefined);
      expect(seen).not.toHaveProperty('authorization');
      expect(seen).not.toHaveProperty('cookie');
    };
  });
}
