import { expect } from 'vitest';
import type { It } from '../case.ts';
import { replyWith, status } from '../subscribers.ts';
import type { Traits } from '../traits.ts';

const RETRIED = [404, 408, 409, 429, 500, 501, 502, 503, 504];
const REFUSED = [400, 401, 403, 410, 413, 415, 422];
const DELAY = 40;

export function failures(traits: Traits, it: It): void {
  it('statuses that are tried again', (c) => {
    for (const code of RETRIED)
      c.trigger(`s${code}`, {
        answer: (_, n) => status(n < 3 ? code : 202),
        delivery: { retry: 2, sink: true },
      });
    return async () => {
      await c.post();
      for (const code of RETRIED) await c.until(`s${code}`, 3);
      for (const code of RETRIED) expect(c.got(`s${code}-sink`), String(code)).toEqual([]);
    };
  });

  it('statuses that are not tried again', (c) => {
    for (const code of REFUSED)
      c.trigger(`s${code}`, {
        answer: ({ id }) => (id === 'last' ? status(500) : status(code, 'no')),
        delivery: { retry: 2, sink: true },
      });
    return async () => {
      await c.post();
      if (traits.refusalFails) for (const code of REFUSED) await c.until(`s${code}-sink`, 1);
      // Its dead letter comes after those of the events before it.
      await c.post({ id: 'last' });
      for (const code of REFUSED) {
        await expect.poll(() => c.ids(`s${code}-sink`), { timeout: 20_000 }).toContain('last');
        expect(c.ids(`s${code}`).filter((id) => id === '1')).toHaveLength(1);
        const letters = c.got(`s${code}-sink`).filter(({ event }) => event.id === '1');
        expect(letters.map(({ event }) => event.knativeerrorcode)).toEqual(
          traits.refusalFails ? [String(code)] : [],
        );
      }
    };
  });

  it('an event that fails every time is dead-lettered with its last answer', (c) => {
    c.trigger('s', { answer: (_, n) => status(500 + n, 'no'), delivery: { retry: 2, sink: true } });
    return async () => {
      await c.post({ tenant: 'acme' });
      const [letter] = await c.until('s-sink', 1);
      expect(c.got('s')).toHaveLength(3);
      expect(letter?.event).toEqual(
        c.event({
          tenant: 'acme',
          knativeerrordest: c.urlOf('s'),
          knativeerrorcode: '503',
          ...(traits.keepsAnswer && { knativeerrordata: Buffer.from('no').toString('base64') }),
        }),
      );
    };
  });

  for (const backoffPolicy of ['linear', 'exponential'] as const) {
    it(`${backoffPolicy} pauses between retries`, (c) => {
      c.trigger('s', {
        answer: (_, n) => status(n < 4 ? 503 : 202),
        delivery: { retry: 3, backoffPolicy, backoffDelay: DELAY },
      });
      return async () => {
        await c.post();
        const times = (await c.until('s', 4)).map(({ at }) => at);
        const pauses = times.slice(1).map((at, n) => at - (times[n] as number));
        // Never shorter; how much longer depends on the machine.
        pauses.forEach((pause, n) => {
          expect(pause).toBeGreaterThanOrEqual((traits[backoffPolicy][n] as number) * DELAY - 5);
        });
      };
    });
  }

  it('an attempt that takes too long is given up and tried again', (c) => {
    c.trigger('s', {
      answer: (_, n) => ({ status: 202, delay: n < 2 ? 5000 : 0 }),
      delivery: { retry: 1, timeout: 1000, sink: true },
    });
    return async () => {
      await c.post();
      expect((await c.until('s', 2)).map(({ event }) => event.id)).toEqual(['1', '1']);
      expect(c.got('s-sink')).toEqual([]);
    };
  });

  it('a subscriber that is not there', (c) => {
    c.trigger('s', { address: 'http://127.0.0.1:9/', delivery: { retry: 1, sink: true } });
    return async () => {
      await c.post();
      const [letter] = await c.until('s-sink', 1);
      expect(letter?.event).toMatchObject({
        id: '1',
        knativeerrordest: 'http://127.0.0.1:9/',
        knativeerrorcode: traits.noAnswer,
      });
    };
  });

  it('an answer that leads elsewhere', (c) => {
    c.trigger('s', {
      answer: () => ({ status: 307, headers: { location: c.urlOf('elsewhere') } }),
      delivery: { retry: 1, sink: true },
    });
    return async () => {
      await c.post();
      const [other] = await c.until(traits.followsRedirects ? 'elsewhere' : 's-sink', 1);
      expect(other?.event).toMatchObject({
        id: '1',
        ...(!traits.followsRedirects && { knativeerrorcode: '307' }),
      });
    };
  });

  it('the dead letter sink is tried again like a subscriber; what it replies', (c) => {
    c.trigger('s', {
      attributes: { part: 'first' },
      answer: () => status(500),
      delivery: { retry: 2, backoffPolicy: 'linear', backoffDelay: 10, sink: true },
    })
      .trigger('others', { attributes: { part: 'second' } })
      .subscriber('s-sink', ({ id }, n) =>
        n < 3 ? status(503) : replyWith(c.event({ id: `${id}-reply`, part: 'second' })),
      );
    return async () => {
      await c.post({ part: 'first' });
      await c.until('s-sink', 3);
      await c.post({ id: '2', part: 'second' });
      await expect.poll(() => c.ids('others'), { timeout: 20_000 }).toContain('2');
      if (traits.takesSinkReplies) await c.until('others', 2);
      expect(c.ids('others').includes('1-reply')).toBe(traits.takesSinkReplies);
    };
  });

  it('events behind one that is tried again', (c) => {
    c.trigger('s', {
      answer: ({ id }, n) => status(id === 'bad' && n === 1 ? 500 : 202),
      delivery: { retry: 1, backoffPolicy: 'exponential', backoffDelay: 300 },
    });
    return async () => {
      await c.post({ id: 'bad' });
      await c.post({ id: 'good' });
      await c.until('s', 3);
      expect(c.ids('s')).toEqual(traits.retriesAside ? ['bad', 'good', 'bad'] : ['bad', 'bad', 'good']);
    };
  });

  it('without a sink what fails is dropped, and what follows is delivered', (c) => {
    c.trigger('s', { answer: ({ id }) => status(id === 'bad' ? 500 : 202), delivery: { retry: 1 } });
    return async () => {
      await c.post({ id: 'bad' });
      await c.until('s', 2);
      await c.post({ id: 'good' });
      await c.until('s', 3);
      expect(c.ids('s')).toEqual(['bad', 'bad', 'good']);
    };
  });
}
