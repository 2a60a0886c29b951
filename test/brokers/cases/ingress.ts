import { expect } from 'vitest';
import { writeBinary } from '../../../functions/_shared/runtime/cloudevents.ts';
import type { Case, It } from '../case.ts';
import type { Traits } from '../traits.ts';

const typed = (type: string, body: string): RequestInit => ({ body, headers: { 'content-type': type } });

export function ingress(traits: Traits, it: It): void {
  const asked: [string, number, (c: Case) => RequestInit, path?: string][] = [
    ['an event', 202, (c) => writeBinary(c.event())],
    ['a structured event', 202, (c) => c.structured()],
    ['an event that nobody wants', 202, (c) => writeBinary(c.event({ type: 'nobody' }))],
    ['another path', 404, (c) => c.structured(), '/other/other'],
    ['no event', 400, () => typed('application/json', '{}')],
    ['a malformed event', 400, () => typed('application/cloudevents+json', '{"specversion":"0.3"}')],
    ['a batch', 400, (c) => typed('application/cloudevents-batch+json', `[${c.structured().body}]`)],
    ['another event format', 400, () => typed('application/cloudevents+xml', '<event/>')],
    ['GET', 405, () => ({ method: 'GET' })],
    ['PUT', 405, (c) => ({ method: 'PUT', ...writeBinary(c.event()) })],
    ['web hook validation', traits.webHook, () => ({ method: 'OPTIONS' })],
    ['an event without hops', traits.countsHops ? 400 : 202, (c) => c.structured({ knativebrokerttl: 0 })],
    ['an event of more than 1 MiB', traits.tooLarge, (c) => c.structured({ data: 'x'.repeat(1024 * 1024) })],
  ];
  it('the ingress answers as it should', (c) => async () => {
    for (const [what, expected, init, path = traits.path] of asked) {
      const answer = await c.send(init(c), path);
      const text = await answer.text();
      expect.soft(answer.status, `${what}: ${text}`).toBe(expected);
      if (answer.ok) expect.soft(text, what).toBe('');
    }
  });
}
