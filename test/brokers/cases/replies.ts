import { expect } from 'vitest';
import type { It } from '../case.ts';
import { replyWith, type Subscriber, status } from '../subscribers.ts';
import type { Traits } from '../traits.ts';

export function replies(traits: Traits, it: It): void {
  it('a reply is the next event, for every Trigger that wants it, that of its author too', (c) => {
    c.trigger('author', {
      answer: ({ id }) => (Number(id) < 3 ? replyWith(c.event({ id: String(Number(id) + 1) })) : status(204)),
    }).trigger('beside');
    return async () => {
      await c.post();
      await c.until('author', 3);
      await c.until('beside', 3);
      expect(c.ids('author')).toEqual(['1', '2', '3']);
      expect(c.ids('beside').toSorted()).toEqual(['1', '2', '3']);
    };
  });

  it('events that cause each other', (c) => {
    c.trigger('loop', {
      answer: ({ id }) => (Number(id) < 6 ? replyWith(c.event({ id: String(Number(id) + 1) })) : status(204)),
      delivery: { sink: true },
    });
    return async () => {
      await c.post({ knativebrokerttl: 4 });
      if (traits.countsHops) {
        const [letter] = await c.until('loop-sink', 1);
        expect(letter?.event).toMatchObject({ id: '3', knativeerrorcode: '400' });
      } else {
        await c.until('loop', 6);
      }
      expect(c.ids('loop')).toEqual(traits.countsHops ? ['1', '2', '3'] : ['1', '2', '3', '4', '5', '6']);
    };
  });

  it('an answer of 2xx that is no event', (c) => {
    const texts: Record<string, Subscriber> = {
      json: () => ({ status: 200, headers: { 'content-type': 'application/json' }, body: '{"ok":true}' }),
      text: () => ({ status: 200, headers: { 'content-type': 'text/plain' }, body: 'thanks' }),
    };
    for (const [name, answer] of Object.entries(texts))
      c.trigger(name, {
        answer: (event, n) => (event.id === 'last' ? status(500) : answer(event, n)),
        delivery: { retry: 1, sink: true },
      });
    return async () => {
      await c.post();
      for (const name of Object.keys(texts)) if (traits.textReply) await c.until(`${name}-sink`, 1);
      await c.post({ id: 'last' });
      for (const name of Object.keys(texts)) {
        await expect.poll(() => c.ids(`${name}-sink`), { timeout: 20_000 }).toContain('last');
        const first = c.got(name).filter(({ event }) => event.id === '1');
        expect(first).toHaveLength(traits.textReply?.attempts ?? 1);
        const letter = c.got(`${name}-sink`).find(({ event }) => event.id === '1');
        expect(letter?.event.knativeerrorcode).toBe(traits.textReply?.code);
      }
    };
  });

  it('an answer with the headers of an event that is none', (c) => {
    const broken = { status: 200, headers: { 'ce-id': '1', 'ce-specversion': '1.0' }, body: '{}' };
    c.trigger('s', { answer: () => broken, delivery: { retry: 1, sink: true } });
    return async () => {
      await c.post();
      const [letter] = await c.until('s-sink', 1);
      expect(letter?.event.knativeerrorcode).toBe(traits.brokenReply.code);
      expect(c.got('s')).toHaveLength(traits.brokenReply.attempts);
    };
  });

  it('an empty answer of 200, 202 or 204 is a delivery without a reply', (c) => {
    for (const code of [200, 202, 204])
      c.trigger(`s${code}`, { answer: () => status(code), delivery: { retry: 1 } });
    return async () => {
      await c.post();
      await c.post({ id: '2' });
      for (const code of [200, 202, 204]) {
        await c.until(`s${code}`, 2);
        expect(c.ids(`s${code}`).toSorted()).toEqual(['1', '2']);
      }
    };
  });
}
