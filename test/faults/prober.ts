import { setTimeout as sleep } from 'node:timers/promises';
import { Breach } from './breach.ts';
import type { Act, Ledger } from './ledger.ts';
import { type Random, seeded } from './random.ts';

/** A tenant and the token that it shows; without authentication there is one tenant and no token. */
export interface Tenant {
  name: string;
  token?: string;
}

export interface Answer {
  status: number;
  body: any;
}

const TIMEOUT_MS = 30_000;

/** One request; undefined when no whole answer came. */
export async function send(
  url: string,
  tenant: Tenant,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer | undefined> {
  try {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(tenant.token && { authorization: `Bearer ${tenant.token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  } catch {
    return undefined;
  }
}

const path = (document: string) => `/v1/documents/${encodeURIComponent(document)}`;
/** "Not now". A 500 is not among them: nothing that goes wrong here is a surprise to the system. */
const isBusy = (answer: Answer | undefined) =>
  answer === undefined || answer.status === 429 || answer.status > 500;

/** The passages that a search for a word gives, best first; undefined when it was not answered. */
export async function passages(
  url: string,
  tenant: Tenant,
  query: string,
): Promise<{ document: string; version: number; text: string }[] | undefined> {
  const answer = await send(url, tenant, 'POST', '/v1/search', { query, mode: 'lexical', limit: 5 });
  // Of a collection in which it may read nothing, a tenant hears that it is not there.
  if (answer?.status === 404) return [];
  return answer?.status === 200 ? answer.body.passages : undefined;
}

export interface Prober {
  /** Acts until it is acknowledged, for at most a minute, by `PUT` or as an event. A repeat carries the same idempotency key. */
  put(tenant: Tenant, document: string, text?: string): Promise<void>;
  remove(tenant: Tenant, document: string): Promise<void>;
  /** Attempts that were not answered, or answered "not now". */
  readonly retries: number;
  /** Contents that were still found after a newer version, or a deletion, had been acknowledged. */
  readonly stale: readonly string[];
}

let words = 0;

export function createProber(url: string, ledger: Ledger, random: Random = seeded(1)): Prober {
  let retries = 0;
  const stale: string[] = [];
  const run = random.below(2 ** 30).toString(36);

  async function until(act: Act, attempt: () => Promise<Answer | undefined>): Promise<void> {
    const giveUp = Date.now() + 60_000;
    for (let pause = 20; Date.now() < giveUp; pause = Math.min(500, pause * 2)) {
      const answer = await attempt();
      if (!isBusy(answer)) {
        // A deletion that was done the first time, unheard, finds nothing the second.
        const isDone = answer && (answer.status < 300 || answer.body?.state === 'deleted');
        if (!isDone)
          throw new Breach(`${act.kind} ${act.document}: ${answer?.status} ${JSON.stringify(answer?.body)}`);
        ledger.acknowledge(act, answer.body.version);
        return;
      }
      retries++;
      await sleep(pause);
    }
  }

  /** What an acknowledged act replaced is found no more, however far the vector store lags behind. */
  async function lookBack(tenant: Tenant, { document, version = 0 }: Act): Promise<void> {
    const older = ledger
      .of(tenant.name, document)
      .findLast((act) => act.marker !== '' && !act.undone && (act.version ?? version) < version);
    if (!older) return;
    const found = (await passages(url, tenant, older.marker)) ?? [];
    if (found.some(({ text }) => text.includes(older.marker)))
      stale.push(`${document}: ${older.marker} of v${older.version} after v${version} was acknowledged`);
  }

  return {
    get retries() {
      return retries;
    },
    stale,
    async put(tenant, document, text = '') {
      // Of one length: none is the beginning of another.
      const marker = `zq${run}x${(words++).toString(36).padStart(5, '0')}`;
      const act = ledger.begin({ tenant: tenant.name, document, kind: 'put', marker });
      const content = `The document ${document} says ${marker} once. ${text}`;
      const body = { title: `About ${document}`, text: content };
      const event = {
        specversion: '1.0',
        id: marker,
        source: '/prober',
        type: 'dev.knarr.document.submitted.v1',
        data: { document, ...body },
      };
      const type = { 'content-type': 'application/cloudevents+json' };
      const attempt = random.chance(0.2)
        ? () => send(url, tenant, 'POST', '/v1/events', event, type)
        : () => send(url, tenant, 'PUT', path(document), body, { 'idempotency-key': marker });
      await until(act, attempt);
      await lookBack(tenant, act);
    },
    async remove(tenant, document) {
      const act = ledger.begin({ tenant: tenant.name, document, kind: 'delete', marker: '' });
      await until(act, () => send(url, tenant, 'DELETE', path(document)));
      await lookBack(tenant, act);
    },
  };
}
