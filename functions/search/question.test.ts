import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EVENTS, type EventData, emit, MAX_EVENT_BYTES, toCloudEvent } from '../_shared/events.ts';
import { encodeVector } from '../_shared/vectors.ts';
import { between, indexShared, NORTH, openTestSearch, type TestSearch } from './testing.ts';

let stage: TestSearch;
beforeAll(async () => {
  stage = await openTestSearch();
});
afterAll(() => stage?.close());

describe('an asynchronous question', () => {
  beforeAll(() => indexShared(stage));
  const asked = (more: Partial<EventData<'query.embedded'>>) =>
    EVENTS['query.embedded'].parse({
      query: 'q1',
      question: 'ship',
      collection: 'shared',
      principals: ['*'],
      timings: { embed: 1 },
      ...more,
    });
  async function match(more: Partial<EventData<'query.embedded'>>, tenant = 'acme') {
    const event = toCloudEvent('embed', emit('query.embedded', 'q1', asked(more)), { tenant });
    const [matched, ...others] = await stage.running.receive(event, AbortSignal.timeout(30_000));
    expect(others).toEqual([]);
    expect(matched).toMatchObject({ type: 'dev.knarr.query.matched.v1', subject: 'q1', tenant });
    expect(Buffer.byteLength(JSON.stringify(matched))).toBeLessThan(MAX_EVENT_BYTES);
    return EVENTS['query.matched'].parse(matched?.data);
  }
  const documentsOf = ({ hits }: EventData<'query.matched'>) => hits.map(({ document }) => document).sort();

  test('is searched for its own principals, and goes on without its vector', async () => {
    const matched = await match({
      vector: encodeVector(NORTH),
      model: 'tiny',
      principals: ['*', 'user:ann'],
    });
    expect(documentsOf(matched)).toEqual(['for ann', 'open']);
    expect(matched).not.toHaveProperty('vector');
    expect(matched).toMatchObject({ degraded: [], timings: { embed: 1, search: expect.any(Number) } });
    expect(documentsOf(await match({}))).toEqual(['open']);
    await expect(match({ vector: encodeVector(NORTH), principals: [] })).rejects.toMatchObject({
      code: 'unknown_collection',
    });
    expect(documentsOf(await match({ vector: encodeVector(NORTH) }, 'other'))).toEqual(['theirs']);
  });

  test('adds what it had to leave out to what earlier stages did', async () => {
    expect((await match({ degraded: ['embed.truncated'] })).degraded).toEqual(['embed.truncated', 'embed']);
  });

  test('stays within an event: hits that do not fit are left out from the end, and named', async () => {
    const long = Array.from({ length: 100 }, (_, n) => ({
      document: `${'ä'.repeat(500)} ${n}`,
      vector: between(n / 100),
    }));
    await stage.index('long', long);
    const matched = await match({
      collection: 'long',
      mode: 'dense',
      vector: encodeVector(NORTH),
      limit: 100,
    });
    expect(matched.hits.length).toBeGreaterThan(20);
    expect(matched.hits.length).toBeLessThan(100);
    expect(matched.hits.map(({ document }) => Number(document.split(' ')[1]))).toEqual(
      matched.hits.map((_, n) => n),
    );
    expect(matched.degraded).toEqual(['search.truncated']);
    // More than are wanted, as for a question whose asker waits: some may not be current.
    const few = await match({ collection: 'long', mode: 'dense', vector: encodeVector(NORTH), limit: 10 });
    expect([few.hits.length, few.degraded]).toEqual([15, []]);
  });

  test('that cannot succeed is answered with a status that no Broker retries', async () => {
    const post = async (more: Partial<EventData<'query.embedded'>>) => {
      const { data, ...attributes } = toCloudEvent('embed', emit('query.embedded', 'q1', asked(more)), {
        tenant: 'acme',
      });
      const headers = new Headers({ 'content-type': 'application/json' });
      for (const [name, value] of Object.entries(attributes)) headers.set(`ce-${name}`, String(value));
      headers.delete('ce-datacontenttype');
      const body = JSON.stringify(data);
      const answer = await stage.running.fetch(
        new Request('http://search/', { method: 'POST', body, headers }),
      );
      return [answer.status, ((await answer.json()) as { code: string }).code];
    };
    expect(await post({ collection: 'none' })).toEqual([422, 'unknown_collection']);
    expect(await post({ vector: encodeVector(NORTH), model: 'large' })).toEqual([422, 'model_mismatch']);
    expect(await post({ mode: 'dense' })).toEqual([422, 'invalid_request']);
  });
});
