import { expect } from 'vitest';
import { type CloudEvent, type EventData, emit, toCloudEvent } from '../../functions/_shared/events.ts';
import { writeCall } from '../../functions/_shared/runtime/call.ts';
import { writeBinary, writeStructured } from '../../functions/_shared/runtime/cloudevents.ts';
import { toDeadLetter } from '../../functions/_shared/runtime/delivery.ts';
import { STAGES, type StageName } from '../../functions/_shared/stage.ts';
import { type StageKey, signEvent } from '../../functions/_shared/stage-key.ts';
import { STAGE_KEY } from '../support/arrangements/stages.ts';

type Urls = Readonly<Record<StageName, string>>;
const NOBODY = { tenant: 'default', principals: ['user:nobody'] };

/**
 * Does what any workload of a cluster may do, with the ingress and the Broker between: claims to be a stage, for whoever may
 * read a document of one chunk. `text` of it comes back with the stages' key alone.
 */
export async function strangersGetNothing(
  urls: Urls,
  text: string,
  reference: { document: string; version: number },
): Promise<void> {
  const hits = [{ ...reference, chunk: 0, score: 1 }];
  for (const stage of STAGES) {
    const { status, body } = await call(urls[stage], { hits });
    expect([status, JSON.parse(body).code], stage).toEqual([401, 'unauthenticated']);
  }
  const found = { query: text, mode: 'lexical' };
  expect((await call(urls.search, found)).status).toBe(401);
  const right = await call(urls.search, found, [STAGE_KEY]);
  expect(JSON.parse(right.body).hits).toMatchObject([reference]);
  expect((await call(urls.fetch, { hits }, [STAGE_KEY])).body).toContain(text);

  const asked = { query: 'q', question: text, collection: 'default', mode: 'lexical' as const, limit: 1 };
  const more = { neighbours: 0, degraded: [], timings: {}, principals: NOBODY.principals };
  const matched = said('search', 'query.matched', 'q', { ...asked, ...more, hits });
  const accepted = said('gateway', 'document.accepted', reference.document, {
    ...reference,
    collection: 'default',
  });
  const failure = Buffer.from('{"code":"unprocessable","detail":"It is broken."}');
  const letter = toDeadLetter(accepted, urls.ingest, { status: 422, body: failure });
  const forged: [StageName, CloudEvent][] = [
    ['fetch', matched],
    ['fetch', { ...signEvent([STAGE_KEY], matched), tenant: 'other' }],
    ['ingest', accepted],
    ['recover', letter],
  ];
  for (const [stage, event] of forged) {
    for (const write of [writeBinary, writeStructured]) {
      const { status, body } = await post(urls[stage], write(event));
      expect([status, JSON.parse(body).code], `${event.type} to ${stage}`).toEqual([422, 'unauthenticated']);
    }
  }
  const grounded = await post(urls.fetch, writeBinary(signEvent([STAGE_KEY], matched)));
  expect(grounded.status).toBe(200);
  expect(grounded.body).toContain(text);
}

const said = <N extends 'query.matched' | 'document.accepted'>(
  stage: StageName,
  name: N,
  subject: string,
  data: EventData<N>,
): CloudEvent => toCloudEvent(stage, emit(name, subject, data), { tenant: NOBODY.tenant });

function call(url: string, input: unknown, key?: StageKey) {
  const headers = writeCall({ ...NOBODY, signal: AbortSignal.timeout(30_000) }, key);
  return post(url, {
    body: JSON.stringify(input),
    headers: { ...headers, 'content-type': 'application/json' },
  });
}

async function post(url: string, init: RequestInit): Promise<{ status: number; body: string }> {
  const answer = await fetch(url, { method: 'POST', ...init });
  return { status: answer.status, body: await answer.text() };
}
