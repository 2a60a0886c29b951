import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CloudEvent } from '../../functions/_shared/events.ts';
import { readEvent, writeBinary } from '../../functions/_shared/runtime/cloudevents.ts';

/** What a subscriber answers, after `delay` milliseconds. */
export interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  delay?: number;
}
/** `attempt` counts from 1 for each event. */
export type Subscriber = (event: CloudEvent, attempt: number) => Answer;

export interface Delivered {
  to: string;
  event: CloudEvent;
  headers: Headers;
  /** Milliseconds since some instant. */
  at: number;
}

export const status = (code: number, body = ''): Answer => ({ status: code, body });
/** An event as an answer. */
export const replyWith = (event: CloudEvent): Answer => ({ status: 200, ...writeBinary(event) });

/** HTTP servers' part: `http://…/<name>` is the subscriber of that name; one that is not given answers 202. */
export async function startSubscribers(subscribers: ReadonlyMap<string, Subscriber>) {
  const delivered: Delivered[] = [];
  const server = createServer(async (request, response) => {
    const to = (request.url ?? '').slice(1);
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const headers = new Headers(request.headers as Record<string, string>);
    const event = readEvent(headers, Buffer.concat(parts));
    delivered.push({ to, event, headers, at: performance.now() });
    const attempt = delivered.filter((one) => one.to === to && one.event.id === event.id).length;
    const answer = subscribers.get(to)?.(event, attempt) ?? status(202);
    if (answer.delay) await sleep(answer.delay);
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    delivered,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
