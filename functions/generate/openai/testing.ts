import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as the server of a test received it. */
export interface Received {
  url: string | undefined;
  headers: IncomingMessage['headers'];
  body: {
    model: string;
    stream: boolean;
    max_tokens: number;
    temperature: number;
    top_p: number;
    messages: { role: string; content: string }[];
  };
  /** The client closed the connection before the response was complete. */
  left: Promise<void>;
}

export interface ChatServer {
  /** Up to and including `/v1`. */
  url: string;
  received: Received[];
  close(): Promise<void>;
}

/** Answers the n-th request, from 1. */
export type Responder = (response: ServerResponse, attempt: number, request: Received) => unknown;

/** A server that speaks, or on purpose misspeaks, the chat completions protocol. */
export async function chatServer(respond: Responder): Promise<ChatServer> {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const left = new Promise<void>((resolve) => {
      response.on('close', () => response.writableFinished || resolve());
    });
    const one: Received = {
      url: request.url,
      headers: request.headers,
      body: JSON.parse(Buffer.concat(parts).toString()),
      left,
    };
    received.push(one);
    await respond(response, received.length, one);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    received,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export const chunk = (content: string | null, finish_reason: string | null = null): string =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content }, finish_reason }] })}\n\n`;

export const DONE = 'data: [DONE]\n\n';

export function beginStream(response: ServerResponse): ServerResponse {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  return response;
}

/** Streams the pieces and ends as such servers do. */
export function stream(response: ServerResponse, pieces: readonly string[], finish = 'stop'): void {
  beginStream(response);
  for (const piece of pieces) response.write(chunk(piece));
  response.write(chunk(null, finish));
  response.end(DONE);
}
