import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { KnarrError } from './errors.ts';
import type { CloudEvent } from './events.ts';
import { type RelayOptions, startRelay } from './outbox.ts';
import { openDocuments } from './stores/documents/open.ts';
import type { DocumentStore } from './stores/documents/port.ts';
import { createLogger } from './telemetry/log.ts';

let folder: string;
let documents: DocumentStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'knarr-outbox-'));
  documents = await openDocuments({ dataDir: folder });
});
afterAll(async () => {
  await documents.close();
  await rm(folder, { recursive: true, force: true });
});

let taken: CloudEvent[];
beforeEach(() => {
  taken = [];
});
const publish = async (events: readonly CloudEvent[]) => {
  taken.push(...events);
};
const subjects = () => taken.map(({ subject }) => subject);

// Hours between looks: only a wake finds anything.
const relay = (options: Partial<RelayOptions> = {}) =>
  startRelay({
    documents,
    publisher: { publish },
    log: createLogger('silent'),
    stage: 'gateway',
    idleMs: 3_600_000,
    backoffMs: [1, 5],
    ...options,
  });

async function accept(...ids: string[]) {
  for (const document of ids) {
    await documents.accept(
      {
        tenant: 't',
        document,
        collection: 'default',
        generation: 'g',
        title: null,
        uri: null,
        contentType: 'text/plain',
        contentHash: '0'.repeat(64),
        bytes: 1,
        original: 't/0',
        metadata: {},
        acl: ['*'],
      },
      { traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01` },
    );
  }
}

test('publishes what is there, then what it is woken for, and acknowledges it', async () => {
  await accept('a', 'b');
  const running = relay();
  await expect.poll(subjects).toEqual(['a', 'b']);
  await accept('c');
  running.wake();
  await expect.poll(subjects).toEqual(['a', 'b', 'c']);
  expect(taken[2]).toMatchObject({
    type: 'dev.knarr.document.accepted.v1',
    source: '/knarr/gateway',
    tenant: 't',
    traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`,
    data: { document: 'c', version: 1, collection: 'default' },
  });
  await running.stop();
  const later = relay();
  await accept('d');
  later.wake();
  await expect.poll(subjects).toEqual(['a', 'b', 'c', 'd']);
  await later.stop();
});

test('a wake while it publishes is not lost, and more than a batch is no stop', async () => {
  const running = relay({ batch: 2 });
  await accept('e', 'f', 'g');
  running.wake();
  await expect.poll(subjects).toEqual(['e', 'f', 'g']);
  const slow = relay({
    publisher: {
      async publish(events) {
        if (events.some(({ subject }) => subject === 'h')) {
          await accept('i');
          slow.wake();
        }
        await publish(events);
      },
    },
  });
  await running.stop();
  await accept('h');
  slow.wake();
  await expect.poll(subjects).toEqual(['e', 'f', 'g', 'h', 'i']);
  await slow.stop();
});

test('offers events again while the broker is away, with the same ids', async () => {
  let attempts = 0;
  const offered: string[] = [];
  const running = relay({
    publisher: {
      async publish(events) {
        offered.push(...events.map(({ id }) => id));
        if (++attempts < 4) throw new KnarrError('unavailable', 'away');
        await publish(events);
      },
    },
  });
  await accept('j');
  running.wake();
  await expect.poll(subjects).toEqual(['j']);
  expect(offered).toEqual(Array(4).fill(taken[0]?.id));
  await running.stop();
});

test('an event is offered once, although its claim runs out meanwhile', async () => {
  await accept('long');
  let claims = 0;
  const [entry] = await documents.claimOutbox(1);
  const claimOutbox = async () => {
    claims++;
    return entry ? [entry] : [];
  };
  const published: string[] = [];
  const running = relay({
    idleMs: 1,
    documents: { ...documents, claimOutbox },
    publisher: {
      async publish([event], signal) {
        published.push(event?.subject ?? '');
        await new Promise((_, reject) => signal?.addEventListener('abort', reject));
      },
    },
  });
  await expect.poll(() => claims).toBeGreaterThan(3);
  expect(published).toEqual(['long']);
  await running.stop();
  await documents.ackOutbox(entry ? [entry.id] : []);
});

test('an event that the broker refuses for good holds up no other and is not lost', async () => {
  const running = relay({
    publisher: {
      async publish(events) {
        if (events.some(({ subject }) => subject === 'l')) throw new KnarrError('too_large', 'no');
        await publish(events);
      },
    },
  });
  await accept('k', 'l', 'm');
  running.wake();
  await expect.poll(subjects).toEqual(['k', 'm']);
  await running.stop();
});

test('an event that the broker is slow to take holds up no other, and no acknowledgement', async () => {
  const before = await documents.outboxSize();
  let answer = () => {};
  const running = relay({
    batch: 2,
    publisher: {
      async publish(events) {
        if (events.some(({ subject }) => subject === 'slow')) {
          await new Promise<void>((resolve) => {
            answer = resolve;
          });
        }
        await publish(events);
      },
    },
  });
  await accept('slow', 'o', 'p', 'q', 'r');
  running.wake();
  await expect.poll(subjects).toEqual(['o', 'p', 'q', 'r']);
  await expect.poll(() => documents.outboxSize()).toBe(before + 1);
  answer();
  await expect.poll(() => documents.outboxSize()).toBe(before);
  await running.stop();
});

test('stops while the broker does not answer', async () => {
  let asked = false;
  const running = relay({
    publisher: {
      publish: (_, signal) => {
        asked = true;
        return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
      },
    },
  });
  await accept('n');
  running.wake();
  await expect.poll(() => asked).toBe(true);
  await running.stop();
  expect(taken).toEqual([]);
  // What no broker has taken stays where the next relay finds it: this one, and the one that was refused.
  expect(await documents.outboxSize()).toBe(2);
  expect((await documents.claimOutbox(9)).map(({ emitted }) => emitted.subject)).toContain('n');
});
