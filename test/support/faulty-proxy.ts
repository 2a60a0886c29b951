import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * What happens to one request: a status instead of the server's answer, the connection broken before the server has
 * seen it (`reset`) or after it has done its work (`lost`), or no answer at all (`silence`). What is `held` reaches the
 * server when it is released, without its body, though its client may be gone by then.
 */
export type Fault = '429' | '500' | '502' | '503' | 'reset' | 'lost' | 'silence' | 'held';

/** A server's double with a bad network in front. */
export interface FaultyProxy {
  url: string;
  /** Faults of the requests to come, in order; `undefined` lets one pass. An empty plan lets all pass. */
  plan: (Fault | undefined)[];
  /** `method path` of every request, in order. */
  seen: string[];
  /** Lets those through that are held. Resolves when the server has answered all of them. */
  release(): Promise<void>;
  close(): Promise<void>;
}

/** Forwards to `target`, keeping the Host header, which a signature may cover. */
export async function faultyProxy(target: string): Promise<FaultyProxy> {
  const plan: FaultyProxy['plan'] = [];
  const seen: string[] = [];
  const held: (() => Promise<unknown>)[] = [];
  const server: Server = createServer((incoming, answer) => {
    const fault = plan.shift();
    seen.push(`${incoming.method} ${incoming.url}`);
    if (fault === 'reset') return void incoming.socket.destroy();
    if (fault === 'silence') return void incoming.resume();
    if (fault === 'held') {
      const { method = '', url: path, headers } = incoming;
      const late = () =>
        new Promise((answered, failed) =>
          request(new URL(path ?? '/', target), { method, headers }, (response) => {
            response.resume().on('end', () => answered(response.statusCode));
          })
            .on('error', failed)
            .end(),
        );
      return void held.push(late);
    }
    if (fault !== undefined && fault !== 'lost') {
      incoming.resume();
      return void incoming.on('end', () => answer.writeHead(Number(fault)).end());
    }
    const { hostname, port } = new URL(target);
    const { method, url: path, headers } = incoming;
    const forwarded = request({ hostname, port, method, path, headers }, (response) => {
      if (fault === 'lost') {
        response.resume();
        return void response.on('end', () => incoming.socket.destroy());
      }
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    forwarded.on('error', () => incoming.socket.destroy());
    incoming.on('error', () => forwarded.destroy());
    incoming.pipe(forwarded);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    plan,
    seen,
    async release() {
      await Promise.all(held.splice(0).map((late) => late()));
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
