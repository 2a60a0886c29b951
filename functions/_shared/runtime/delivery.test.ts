import { expect, test } from 'vitest';
import { z } from 'zod';
import { KnarrError } from '../errors.ts';
import type { CloudEvent } from '../events.ts';
import { defineStage } from '../stage.ts';
import { createLogger } from '../telemetry/log.ts';
import { runStage } from './run.ts';
import { documentAccepted } from './testing/event.ts';

/** Fails every event with `error`; `refuse` makes the dead letter sink fail. */
function failing(error: KnarrError, { refuse = false } = {}) {
  const letters: CloudEvent[] = [];
  const stage = defineStage({
    name: 'ingest',
    summary: 'Fails.',
    input: z.object({}),
    output: z.object({}),
    handle: async () => ({}),
    on: {
      'document.accepted': {
        produces: [],
        handle: async () => {
          throw error;
        },
      },
    },
    knobs: {},
    open: async () => ({}),
  });
  const deadLetters = {
    async publish(events: readonly CloudEvent[]) {
      if (refuse) throw new KnarrError('unavailable', 'The sink is away.');
      letters.push(...events);
    },
  };
  const running = runStage(stage, {}, { log: createLogger('silent'), deadLetters });
  const send = (more: Record<string, string> = {}, body = { document: 'd', version: 1, collection: 'c' }) =>
    running.fetch(documentAccepted('http://ingest.knarr.svc.cluster.local/', body, more));
  return { letters, send };
}
const forGood = new KnarrError('unprocessable', 'This is no PDF.');

test('what is refused for good goes to the dead letter sink as a Broker would send it, and counts as taken', async () => {
  const { letters, send } = failing(forGood);
  const answer = await send();
  expect([answer.status, await answer.text()]).toEqual([204, '']);
  const [letter] = letters;
  expect(letter).toMatchObject({
    id: '1',
    tenant: 'acme',
    knativeerrordest: 'http://ingest.knarr.svc.cluster.local/',
    knativeerrorcode: 422,
  });
  const body = Buffer.from(String(letter?.knativeerrordata), 'base64').toString();
  expect(JSON.parse(body)).toMatchObject({ code: 'unprocessable', detail: 'This is no PDF.' });
});

test('data of another shape is refused for good, too', async () => {
  const { letters, send } = failing(forGood);
  expect((await send({}, { document: 'd' } as never)).status).toBe(204);
  expect(letters).toHaveLength(1);
});

test('what may succeed later is left to the Broker', async () => {
  const { letters, send } = failing(new KnarrError('unavailable', 'Not now.'));
  expect((await send()).status).toBe(503);
  expect(letters).toEqual([]);
});

test('a dead letter does not become one again', async () => {
  const { letters, send } = failing(forGood);
  expect((await send({ 'ce-knativeerrorcode': '500' })).status).toBe(422);
  expect(letters).toEqual([]);
});

test('while the sink does not take it the event has to come again', async () => {
  const { send } = failing(forGood, { refuse: true });
  expect((await send()).status).toBe(503);
});
