import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Breach } from '../breach.ts';
import type { Scenario, Trial } from '../context.ts';
import { applyLoad } from '../load.ts';
import { send, type Tenant } from '../prober.ts';
import { quiet } from './stores.ts';

/** Events that a queue holds here, few enough to be filled. */
const QUEUE = 24;
/** Producers that the broker lets wait (`MAX_PRODUCERS`), and what their events add to the queue of replies. */
const READERS = 24;
/** What the process may hold beyond what it had when warm, MiB: ten rounds of a leak would be more. */
const CEILING_MIB = 150;

/**
 * One that consumes slowly, again and again: a subscriber of the broker while questions and documents keep coming, and
 * clients that read their streams at a crawl. Queues stay bounded and so does memory, producers are told to come back,
 * nothing that was acknowledged is lost, and whoever reads is served as ever.
 */
export const slowConsumer: Scenario = {
  name: 'slow-consumer',
  faults: { slow: { stage: 'embed', ms: 150 }, queue: QUEUE },
  async run(trial) {
    const { scale } = trial;
    const rounds = scale > 1 ? 10 : 2;
    const seen = { refused: 0, questions: 0, most_waiting: 0, crawls: 0, growth_mib: 0 };
    await applyLoad(trial, { documents: 20, updates: 0, deletes: 0, prefix: 'first-' });
    await quiet(trial);
    let warm = 0;
    // The first round warms up.
    for (let round = 0; round <= rounds; round++) {
      const load = applyLoad(trial, { documents: 20, updates: 0.2, deletes: 0.1, prefix: `s${round}-` });
      await Promise.all([load, flood(trial, seen), crawl(trial, round, seen)]);
      if (round === 0) warm = residentMiB(trial);
      else seen.growth_mib = Math.max(seen.growth_mib, Math.round(residentMiB(trial) - warm));
    }
    if (seen.refused === 0) throw new Error('Nobody was turned away: the queue was never full.');
    if (seen.growth_mib > CEILING_MIB) throw new Breach(`Memory grew by ${seen.growth_mib} MiB.`);
    return { rounds, ...seen };
  },
};

type Seen = Record<'refused' | 'questions' | 'most_waiting' | 'crawls' | 'growth_mib', number>;

const residentMiB = ({ system }: Trial): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${system.pid}/status`, 'utf8'))?.[1]) / 1024;

/** Asynchronous questions, more at once than the broker has room for: each is answered in the end, or was refused. */
async function flood({ system, tenants }: Trial, seen: Seen): Promise<void> {
  const [tenant] = tenants as [Tenant];
  const accepted: string[] = [];
  let asking = true;
  const watching = (async () => {
    while (asking) {
      const waiting = await mostWaiting(system.url);
      seen.most_waiting = Math.max(seen.most_waiting, waiting);
      if (waiting > QUEUE) throw new Breach(`${waiting} events wait in a queue for ${QUEUE}.`);
      await sleep(50);
    }
  })();
  watching.catch(() => {});
  await Promise.all(
    Array.from({ length: 150 }, async () => {
      const body = { question: 'What was agreed upon in the council?', limit: 3 };
      const response = await fetch(`${system.url}/v1/rag`, {
        method: 'POST',
        headers: { ...headersOf(tenant), prefer: 'respond-async' },
        body: JSON.stringify(body),
      });
      const answer = (await response.json()) as { id?: string; code?: string };
      if (response.status === 202 && answer.id) accepted.push(answer.id);
      else if (isRefusal(response) && answer.code) seen.refused++;
      else throw new Breach(`A question was answered ${response.status} ${JSON.stringify(answer)}.`);
    }),
  );
  asking = false;
  await watching;
  for (const id of accepted) await answered(system.url, tenant, id);
  seen.questions += accepted.length;
}

const headersOf = ({ token }: Tenant) => ({
  authorization: `Bearer ${token}`,
  'content-type': 'application/json',
});
const isRefusal = ({ status, headers }: Response) =>
  (status === 429 || status === 503) && Number(headers.get('retry-after')) > 0;

async function mostWaiting(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.matchAll(/^knarr_broker_events_waiting\S* (\d+)/gm);
  return Math.max(0, ...[...lines].map(([, value]) => Number(value)));
}

async function answered(url: string, tenant: Tenant, id: string): Promise<void> {
  for (let waited = 0; waited < 120_000; waited += 100) {
    const { body } = (await send(url, tenant, 'GET', `/v1/queries/${id}`)) ?? {};
    if (body?.state === 'answered') return;
    if (body?.state === 'failed') break;
    await sleep(100);
  }
  throw new Breach(`The question ${id} was accepted and never answered.`);
}

/** Clients that read a few bytes of their stream at a time; another one asks meanwhile, and gets its answer. */
async function crawl({ system, tenants }: Trial, round: number, seen: Seen): Promise<void> {
  const [, tenant] = tenants as [Tenant, Tenant];
  const crawling = Promise.all(
    Array.from({ length: READERS }, async (_, n) => {
      const path = n % 2 === 0 ? '/v1/rag' : `/v1/documents/c${round}/events`;
      const text = await slowly(system.url, tenant, path);
      const ended = path === '/v1/rag' ? /^event: done$/m : /"state":"indexed"/;
      if (!ended.test(text)) throw new Breach(`A stream that was read slowly broke off: ${text.slice(-200)}`);
      seen.crawls++;
    }),
  );
  // Awaited below, after what may fail before it.
  crawling.catch(() => {});
  for (let served = 0; served < 5; ) {
    const answer = await send(system.url, tenant, 'POST', '/v1/rag', { question: 'Who met twice a year?' });
    if (answer?.status === 200) served++;
    // A machine that is busy with other things may take longer than a question has time; it is never turned away.
    else if (answer !== undefined && answer.status !== 504)
      throw new Breach(`Beside slow readers a question got ${answer.status}.`);
  }
  await crawling;
}

/** A whole stream, 64 bytes of it every 5 ms. */
async function slowly(url: string, tenant: Tenant, path: string): Promise<string> {
  if (path !== '/v1/rag')
    await send(url, tenant, 'PUT', path.replace(/\/events$/, ''), { text: 'It is read slowly.' });
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), highWaterMark: 64 } as never);
  const body = JSON.stringify({ question: 'What took a week?', stream: true, limit: 20 });
  const lines = [
    `${path === '/v1/rag' ? 'POST' : 'GET'} ${path} HTTP/1.1`,
    `host: ${hostname}`,
    ...Object.entries(headersOf(tenant)).map(([name, value]) => `${name}: ${value}`),
    ...(path === '/v1/rag' ? [`content-length: ${Buffer.byteLength(body)}`] : []),
    'connection: close',
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n${path === '/v1/rag' ? body : ''}`);
  let text = '';
  for await (const part of socket) {
    text += part;
    await sleep(5);
  }
  return text;
}
