import { expect } from 'vitest';
import type { CloudEvent } from '../../../functions/_shared/events.ts';
import { writeStructured } from '../../../functions/_shared/runtime/cloudevents.ts';
import { EVENT_PROOF, signEvent } from '../../../functions/_shared/stage-key.ts';
import type { It } from '../case.ts';
import { replyWith, status } from '../subscribers.ts';

const key = ['k'.repeat(32)];

/** What is hard to pass on unchanged: numbers, the order of members, what Go escapes in JSON and HTTP in headers. */
const HARD: Partial<CloudEvent> = {
  tenant: 'acme',
  subject: 'ö %41 "x" 漢/é',
  // Go leaves out the zeros.
  time: '2026-01-02T03:04:05.600Z',
  data: {
    b: [0.1, 1e21, -1e-7, 2 ** 53, null, true],
    a: '<b>&amp; \u2028 \ud83d\ude00 \u0000',
    10: {},
    9: [],
  },
};

/** Whether the proof that came along proves what came along. */
const isProven = ({ [EVENT_PROOF]: proof, ...event }: CloudEvent): boolean =>
  proof !== undefined && signEvent(key, event as CloudEvent)[EVENT_PROOF] === proof;

export function proofs(it: It): void {
  it('what a stage says is proven wherever it arrives: delivered, as a reply and as a dead letter', (c) => {
    const said = (id: string, more = {}) => signEvent(key, c.event({ ...HARD, id, ...more }));
    // Stages write binary alone: made binary by RabbitMQ's Broker, a structured one has its subject unencoded in a header.
    const structured = writeStructured(said('structured', { subject: 'x' }));
    c.trigger('s', {
      answer: ({ id }) => {
        if (id === 'asked') return replyWith(said('reply'));
        return status(id === 'failing' ? 500 : 202);
      },
      delivery: { sink: true },
    });
    return async () => {
      await c.post(said('asked'));
      await c.post(said('failing'));
      expect((await c.send(structured)).status).toBe(202);
      await expect
        .poll(() => c.ids('s').toSorted(), { timeout: 20_000 })
        .toEqual(['asked', 'failing', 'reply', 'structured']);
      const [letter] = await c.until('s-sink', 1);
      expect(letter?.event).toMatchObject({ id: 'failing', knativeerrorcode: '500' });
      for (const { event } of [...c.got('s'), ...c.got('s-sink')])
        expect(isProven(event), JSON.stringify(event)).toBe(true);
      expect(isProven({ ...(letter?.event as CloudEvent), tenant: 'other' })).toBe(false);
    };
  });
}
