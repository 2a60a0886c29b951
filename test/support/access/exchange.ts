import type { Asker, Document, Random, World } from './world.ts';

export interface Reply {
  status: number;
  headers: Headers;
  text: string;
}

/** What was asked and answered, as the oracle looks at it. */
export interface Exchange {
  asker: Asker;
  /** Method and path. */
  call: string;
  /** All that was sent: what it holds may come back. */
  sent: string;
  reply: Reply;
  from: number;
  to: number;
  /** Status that it must have had. */
  expected?: number | undefined;
}

/** What the requests are made of, and what they have made so far. */
export interface Play {
  url: string;
  world: World;
  random: Random;
  /** Collections by tenant; one that another tenant has, too, is among them. */
  collections: Record<string, string[]>;
  /** Ids of asynchronous questions, with those who asked. */
  asked: { id: string; asker: Asker }[];
  deadLetters: string[];
  /** Ids of dead letters that lists have shown, to whomever. */
  heard: string[];
  keys: { id: string; tenant: string }[];
}

export const json = { 'content-type': 'application/json' };
const INSIDE = {
  'knarr-tenant': 'acme',
  'knarr-principals': '*,user:ann,group:eng,group:hr',
  'knarr-deadline': '2100-01-01T00:00:00Z',
};

export async function send(
  play: Pick<Play, 'url' | 'random'>,
  asker: Asker,
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<Exchange> {
  const from = performance.now();
  const response = await fetch(play.url + path, {
    method,
    headers: {
      ...(asker.token && { authorization: `Bearer ${asker.token}` }),
      ...(play.random.below(3) === 0 && INSIDE),
      ...headers,
    },
    ...(body !== undefined && { body }),
  });
  const text = await response.text();
  return {
    asker,
    call: `${method} ${path}`,
    sent: decodeURIComponent(path) + (body ?? ''),
    reply: { status: response.status, headers: response.headers, text },
    from,
    to: performance.now(),
  };
}

export const mayWrite = ({ role }: Asker) => role === 'writer' || role === 'admin';
export const pathOf = ({ id }: Pick<Document, 'id'>) => `/v1/documents/${encodeURIComponent(id)}`;
/** The status of what only a role may do, to those who have not got it; undefined to those who have. */
export const refusal = ({ role }: Asker, needed: 'writer' | 'admin') =>
  role === 'none' ? 401 : role === needed || role === 'admin' ? undefined : 403;

export const post = (
  play: Play,
  asker: Asker,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
) => send(play, asker, 'POST', path, JSON.stringify(body), { ...json, ...headers });
