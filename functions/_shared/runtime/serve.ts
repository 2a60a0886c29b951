import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { RunningStage } from './run.ts';

export interface ServeOptions {
  port: number;
  hostname: string;
  /** Longest wait for requests in flight at shutdown, ms. */
  drainMs?: number;
}

export interface Served {
  url: string;
  port: number;
  /** Readiness fails, requests in flight finish, new ones get 503; resolves when the port is free. */
  close(): Promise<void>;
}

const DRAIN_MS = 25_000;
/** Time for a proxy in front to see that readiness fails before connections are refused. */
const LINGER_MS = 50;

/** Serves a stage over HTTP/1.1. Rejects when the port cannot be had. */
export async function serve(
  running: Pick<RunningStage, 'fetch' | 'drain'>,
  { port, hostname, drainMs = DRAIN_MS }: ServeOptions,
): Promise<Served> {
  const listener = getRequestListener((request) => running.fetch(request), { overrideGlobalObjects: false });
  const server = createServer(
    (incoming: IncomingMessage, outgoing: ServerResponse) => void listener(incoming, outgoing),
  );
  server.keepAliveTimeout = 65_000;
  server.headersTimeout = 20_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, hostname, resolve);
  });
  const address = server.address() as AddressInfo;
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  let closing: Promise<void> | undefined;
  return {
    url: `http://${host}:${address.port}`,
    port: address.port,
    close() {
      closing ??= shutDown(server, running, drainMs);
      return closing;
    },
  };
}

async function shutDown(
  server: Server,
  running: Pick<RunningStage, 'drain'>,
  drainMs: number,
): Promise<void> {
  running.drain();
  // Kept-alive connections would otherwise hold the server open: each next answer closes its connection.
  server.prependListener('request', (_, response: ServerResponse) =>
    response.setHeader('connection', 'close'),
  );
  await new Promise((resolve) => setTimeout(resolve, LINGER_MS));
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const force = setTimeout(() => server.closeAllConnections(), drainMs);
  await closed;
  clearTimeout(force);
}
