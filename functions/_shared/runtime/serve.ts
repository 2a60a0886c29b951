import { createServer, maxHeaderSize, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { getRequestListener } from '@hono/node-server';
import { KnarrError } from '../errors.ts';
import { problemOf } from './problem.ts';
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
  /**
   * Readiness fails and new requests get 503 while those in flight finish; then connections are refused. Resolves when
   * the port is free.
   */
  close(): Promise<void>;
}

const DRAIN_MS = 25_000;
/** Least time that new requests are answered 503 before connections are refused, for a proxy in front to take note. */
const LINGER_MS = 50;

const responses = new WeakMap<Request, ServerResponse>();

/** Breaks off the connection that a request came by, with whatever is still on its way to the client. */
export const hangUp = (request: Request): void => void responses.get(request)?.destroy();

/**
 * Serves a stage over HTTP/1.1. Rejects when the port cannot be had. From the first time on, the adapter's light Request
 * and Response stand for the global ones: building Node's own costs more than all the rest of a small answer.
 */
export async function serve(
  running: Pick<RunningStage, 'fetch' | 'drain'>,
  { port, hostname, drainMs = DRAIN_MS }: ServeOptions,
): Promise<Served> {
  const listener = getRequestListener((request, { outgoing }) => {
    responses.set(request, outgoing as ServerResponse);
    return running.fetch(request);
  });
  // A request without Host is refused with its reason, and not without a word.
  const server = createServer({ requireHostHeader: false }, (incoming, outgoing) => {
    if (incoming.headers.host === undefined) refuseHost(outgoing);
    else void listener(incoming, outgoing);
  });
  const inFlight = new Set<ServerResponse>();
  server.prependListener('request', (_, response: ServerResponse) => {
    inFlight.add(response);
    response.once('close', () => inFlight.delete(response));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const answered = [...inFlight].some((one) => one.socket === socket && one.headersSent);
    if (!socket.writable || answered || error.code === 'ECONNRESET') socket.destroy();
    else socket.end(refusalOf(error), () => socket.destroy());
  });
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
      closing ??= shutDown(server, running, inFlight, drainMs);
      return closing;
    },
  };
}

function refuseHost(outgoing: ServerResponse): void {
  const problem = problemOf(new KnarrError('invalid_request', 'The request has no Host header.'));
  outgoing
    .writeHead(problem.status, { 'content-type': 'application/problem+json', connection: 'close' })
    .end(JSON.stringify(problem));
}

/** What Node's parser refuses, by the code of its error. */
const REFUSALS: Record<string, [status: number, reason: string]> = {
  HPE_HEADER_OVERFLOW: [431, `The path and the header fields are larger than ${maxHeaderSize} bytes.`],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The request is not valid HTTP: its chunk extensions have no end.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not arrive in time.'],
};

/** The answer to what never became a request, after which the connection ends. */
function refusalOf({ code = '', reason }: NodeJS.ErrnoException & { reason?: string }): string {
  const why = reason === undefined ? '' : `: ${reason}`;
  const [status, message] = REFUSALS[code] ?? [400, `The request is not valid HTTP${why}.`];
  const body = JSON.stringify(problemOf(new KnarrError('invalid_request', message), status));
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    '',
    body,
  ].join('\r\n');
}

async function shutDown(
  server: Server,
  running: Pick<RunningStage, 'drain'>,
  inFlight: ReadonlySet<ServerResponse>,
  drainMs: number,
): Promise<void> {
  const answered = () =>
    Promise.all([...inFlight].map((response) => new Promise((resolve) => response.once('close', resolve))));
  const finished = answered();
  running.drain();
  // Kept-alive connections would hold the server open: each one's next answer closes it.
  const lastAnswer = (response: ServerResponse) => {
    if (!response.headersSent) response.setHeader('connection', 'close');
  };
  for (const response of inFlight) lastAnswer(response);
  server.prependListener('request', (_, response: ServerResponse) => lastAnswer(response));

  const over = new AbortController();
  const patience = sleep(drainMs, undefined, { signal: over.signal }).catch(() => {});
  await Promise.race([Promise.all([finished, sleep(LINGER_MS)]), patience]);
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  // What is left then are refusals on their way, and connections that never asked anything, which Node counts as busy.
  await Promise.race([answered(), patience]);
  over.abort();
  server.closeAllConnections();
  await closed;
}
