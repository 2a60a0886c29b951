import { connect } from 'node:net';

export interface RawAnswer {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  body: string;
}

/** A server that is silent for this long will say nothing any more, ms. */
const PATIENCE_MS = 10_000;

/**
 * Sends bytes as they are over a connection of their own, which with `ends` is half closed behind them. The first answer,
 * or undefined when the server gives none.
 */
export function sendRaw(port: number, request: Uint8Array, ends = false): Promise<RawAnswer | undefined> {
  return new Promise((resolve) => {
    let received = Buffer.alloc(0);
    const socket = connect(port, '127.0.0.1');
    const settle = (answer: RawAnswer | undefined) => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('data', (part) => {
      received = Buffer.concat([received, part]);
      const answer = parseAnswer(received, false);
      if (answer) settle(answer);
    });
    // The server may refuse before it has read everything; then writing fails and the answer is there all the same.
    socket.on('error', () => settle(parseAnswer(received, true)));
    socket.on('close', () => settle(parseAnswer(received, true)));
    socket.setTimeout(PATIENCE_MS, () => settle(undefined));
    if (ends) socket.end(request);
    else socket.write(request);
  });
}

/** The answer, once it is complete; interim ones (1xx) are skipped. */
function parseAnswer(received: Buffer, ended: boolean): RawAnswer | undefined {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [first = '', ...lines] = received.subarray(0, end).toString('latin1').split('\r\n');
  const rest = received.subarray(end + 4);
  const status = Number(first.split(' ')[1]);
  if (status < 200) return parseAnswer(rest, ended);
  const headers = Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  );
  const body = bodyOf(rest, headers);
  if (body === undefined && !ended && status !== 204) return undefined;
  return { status, headers, body: body ?? rest.toString() };
}

function bodyOf(rest: Buffer, headers: Record<string, string>): string | undefined {
  const length = headers['content-length'];
  if (length !== undefined) {
    return rest.length >= Number(length) ? rest.subarray(0, Number(length)).toString() : undefined;
  }
  if (headers['transfer-encoding'] !== 'chunked' || !rest.includes('0\r\n\r\n')) return undefined;
  let body = '';
  for (let at = 0; ; ) {
    const line = rest.indexOf('\r\n', at);
    const size = Number.parseInt(rest.subarray(at, line).toString(), 16);
    if (!(size > 0)) return body;
    body += rest.subarray(line + 2, line + 2 + size).toString();
    at = line + 2 + size + 2;
  }
}
