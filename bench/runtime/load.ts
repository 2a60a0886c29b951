import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import autocannon from 'autocannon';
import type { Call } from './contenders.ts';

/** A slice of load. */
export interface Slice extends Call {
  url: string;
  seconds: number;
  connections: number;
  /** Requests a second, sent when they are due whether or not earlier ones are answered; without it, as many as go. */
  rate?: number;
}

export interface Load {
  requests: number;
  perSecond: number;
  /** Milliseconds from when a request was due to its whole answer; of paced slices only. */
  latencies: number[];
}

// A process of its own, so that the load does not slow down who measures: one slice for each message.
process.on('message', async (slice: Slice) => {
  const load = slice.rate === undefined ? await flood(slice) : await paced(slice, slice.rate);
  process.send?.(load);
});

async function flood({ seconds, ...options }: Slice): Promise<Load> {
  const result = await autocannon({ ...options, method: 'POST', duration: seconds });
  const failed = result.non2xx + result.errors + result.timeouts;
  if (failed > 0) throw new Error(`${failed} requests to ${options.url} failed.`);
  return { requests: result['2xx'], perSecond: result['2xx'] / result.duration, latencies: [] };
}

async function paced({ url, headers, body, seconds, connections }: Slice, rate: number): Promise<Load> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const started = performance.now();
  const sent: Promise<number>[] = [];
  for (let n = 0; n < rate * seconds; n++) {
    const due = started + (n * 1000) / rate;
    while (performance.now() < due) await turn();
    sent.push(answered(url, agent, headers, body).then(() => performance.now() - due));
  }
  const latencies = await Promise.all(sent);
  agent.destroy();
  const requests = latencies.length;
  return { requests, perSecond: (requests / (performance.now() - started)) * 1000, latencies };
}

async function answered(url: string, agent: Agent, headers: Call['headers'], body: string): Promise<void> {
  const outgoing = request(url, {
    agent,
    method: 'POST',
    headers: { ...headers, 'content-length': Buffer.byteLength(body) },
  });
  outgoing.end(body);
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`${url} answered ${response.statusCode}.`);
  response.resume();
  await once(response, 'end');
}
