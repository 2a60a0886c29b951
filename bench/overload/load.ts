import { readFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** Questions of one tenant. */
export interface Stream {
  name: string;
  token: string;
  /** A second, sent when they are due whether or not earlier ones are answered; without it `lanes` ask one after the other. */
  rate?: number;
  lanes?: number;
  /** Asks for liveness instead: what any answer takes on this machine at that time. */
  isProbe?: boolean;
}
export interface Task {
  url: string;
  seconds: number;
  streams: Stream[];
}

/** What became of a stream's questions; milliseconds from when each was due to its whole answer. */
export interface Outcome {
  name: string;
  /** Answered in full: 200, and no step left out. */
  served: number[];
  /** 429 or 503, with Retry-After and problem details. */
  refused: number[];
  /** Anything else, by what it was. */
  other: Record<string, number>;
}
export interface Load {
  outcomes: Outcome[];
  /** From the first question to the last answer. */
  seconds: number;
  /** Processor time of this process, seconds. */
  cpu: number;
}

const TIMEOUT_MS = 15_000;
/** Longest pause between looks at what is due. */
const TICK_MS = 1;
const FILE = new URL('../../test/data/squad2-dev-slice/questions.jsonl', import.meta.url);
const QUESTIONS = readFileSync(FILE, 'utf8')
  .trim()
  .split('\n')
  .map((line) => (JSON.parse(line) as { text: string }).text);
let asked = 0;
/** Never the same twice: an answer out of a cache would say nothing. */
const question = () => `${QUESTIONS[asked % QUESTIONS.length]} ${asked++}`;

// A process of its own, so that the load does not slow down who measures: one slice for each message.
process.on('message', async (task: Task) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 2048 });
  const before = process.cpuUsage();
  const started = performance.now();
  const until = started + task.seconds * 1000;
  const outcomes = await Promise.all(
    task.streams.map(async (stream) => {
      const outcome: Outcome = { name: stream.name, served: [], refused: [], other: {} };
      const ask = (due: number) => answered(task.url, agent, stream, outcome, due);
      if (stream.rate === undefined) await inLanes(stream.lanes ?? 1, until, ask);
      else await whenDue(stream.rate, started, task.seconds, ask);
      return outcome;
    }),
  );
  agent.destroy();
  const { user, system } = process.cpuUsage(before);
  const load: Load = { outcomes, seconds: (performance.now() - started) / 1000, cpu: (user + system) / 1e6 };
  process.send?.(load);
});

async function inLanes(lanes: number, until: number, ask: (due: number) => Promise<void>): Promise<void> {
  const lane = async () => {
    while (performance.now() < until) await ask(performance.now());
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function whenDue(
  rate: number,
  started: number,
  seconds: number,
  ask: (due: number) => Promise<void>,
): Promise<void> {
  const sent: Promise<void>[] = [];
  for (let n = 0; n < rate * seconds; n++) {
    const due = started + (n * 1000) / rate;
    while (performance.now() < due) await sleep(TICK_MS);
    sent.push(ask(due));
  }
  await Promise.all(sent);
}

async function answered(
  url: string,
  agent: Agent,
  { token, isProbe }: Stream,
  outcome: Outcome,
  due: number,
): Promise<void> {
  const count = (what: string) => {
    outcome.other[what] = (outcome.other[what] ?? 0) + 1;
  };
  try {
    const content = isProbe ? undefined : { question: question(), limit: 5 };
    const { status, headers, body } = await send(url, agent, token, content);
    const took = performance.now() - due;
    if (status === 200 && (isProbe || body.degraded?.length === 0)) outcome.served.push(took);
    else if (status === 200) count(`degraded: ${body.degraded?.join(' ')}`);
    else if ((status === 429 || status === 503) && Number(headers['retry-after']) > 0 && body.code)
      outcome.refused.push(took);
    else count(String(status));
  } catch (thrown) {
    count((thrown as NodeJS.ErrnoException).code ?? String(thrown));
  }
}

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: { code?: string; degraded?: string[] };
}

function send(url: string, agent: Agent, token: string, content: object | undefined): Promise<Answer> {
  const body = content === undefined ? '' : JSON.stringify(content);
  const [method, path] = content === undefined ? ['GET', '/health/liveness'] : ['POST', '/v1/rag'];
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    ...(content !== undefined && { 'content-length': Buffer.byteLength(body) }),
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(url + path, { agent, method, headers, timeout: TIMEOUT_MS });
    outgoing.once('timeout', () => outgoing.destroy(new Error('timeout')));
    outgoing.once('error', reject);
    outgoing.once('response', (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part) => parts.push(part));
      response.once('error', reject);
      response.once('end', () => {
        try {
          const text = Buffer.concat(parts).toString();
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: JSON.parse(text) as Answer['body'],
          });
        } catch (thrown) {
          reject(thrown as Error);
        }
      });
    });
    outgoing.end(body);
  });
}
