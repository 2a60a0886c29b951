import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { freePort } from '../../../test/support/ports.ts';

interface Child {
  process: ChildProcess;
  /** Lines of its log so far. */
  lines: string[];
  url: string;
  ended: Promise<number | null>;
}

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function spawnStage(
  env: Record<string, string> = {},
  program = 'testing/waiting-stage.ts',
): Omit<Child, 'url'> {
  const script = fileURLToPath(new URL(program, import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script], {
    stdio: 'pipe',
    env: { ...process.env, ...env },
  });
  children.push(child);
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface(stream).on('line', (line) => lines.push(line));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { process: child, lines, ended };
}

async function startStage(env: Record<string, string> = {}, program?: string): Promise<Child> {
  const child = spawnStage(program ? env : { PORT: '0', LOG_LEVEL: 'info', ...env }, program);
  const listening = () => child.lines.find((line) => line.includes('"listening"'));
  await expect.poll(listening, { timeout: 30_000 }).toBeDefined();
  return { ...child, url: JSON.parse(listening() ?? '{}').url };
}

const begun = ({ lines }: Child) => lines.filter((line) => line.includes('"begun"')).length;

interface Answer {
  status: number | undefined;
  headers: Record<string, unknown>;
  body: string;
}

/** Rejects with Node's error when there is no answer. */
function send(url: string, agent: Agent, body?: unknown): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST';
    const outgoing = request(url, { agent, method, headers: { 'content-type': 'application/json' } });
    outgoing.on('error', reject);
    outgoing.on('response', async (response) => {
      let text = '';
      for await (const part of response) text += part;
      resolve({ status: response.statusCode, headers: response.headers, body: text });
    });
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

test('SIGTERM: 200 requests in flight are answered, new ones refused, readiness fails, exit code 0', async () => {
  const stage = await startStage();
  const agent = new Agent({ keepAlive: true });
  const fresh = new Agent({ keepAlive: false });
  const work = Array.from({ length: 200 }, (_, n) => send(stage.url, agent, { n }));
  await expect.poll(() => begun(stage), { timeout: 30_000 }).toBe(200);

  stage.process.kill('SIGTERM');
  const readiness = () => send(`${stage.url}/health/readiness`, fresh);
  await expect.poll(async () => (await readiness()).status).toBe(503);
  expect((await send(`${stage.url}/health/liveness`, fresh)).status).toBe(200);
  const refused = await send(stage.url, fresh, { n: 0 });
  expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1', connection: 'close' } });
  expect(JSON.parse(refused.body)).toMatchObject({ code: 'unavailable' });
  expect(begun(stage)).toBe(200);

  stage.process.stdin?.write('go\n');
  const answers = await Promise.all(work);
  expect(answers.map(({ status, body }) => [status, JSON.parse(body).n])).toEqual(
    answers.map((_, n) => [200, n]),
  );
  expect(await stage.ended).toBe(0);
  await expect(readiness()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  agent.destroy();
});

test('idle connections, kept alive or never used, do not hold up the end', async () => {
  const stage = await startStage({ KNARR_DRAIN_TIMEOUT: '1h' });
  const unused = connect(Number(new URL(stage.url).port), '127.0.0.1').on('error', () => {});
  await once(unused, 'connect');
  const agent = new Agent({ keepAlive: true });
  expect((await send(`${stage.url}/health/readiness`, agent)).status).toBe(200);
  stage.process.kill('SIGINT');
  expect(await stage.ended).toBe(0);
  agent.destroy();
});

test('what is not done by the drain timeout is cut off', async () => {
  const stage = await startStage({ KNARR_DRAIN_TIMEOUT: '300ms' });
  const agent = new Agent();
  const stuck = send(stage.url, agent, { n: 1 });
  const cut = expect(stuck).rejects.toMatchObject({ code: 'ECONNRESET' });
  await expect.poll(() => begun(stage)).toBe(1);
  stage.process.kill('SIGTERM');
  await cut;
  expect(await stage.ended).toBe(0);
});

test('a dependency that cannot be released makes the exit code 1, and the log says why', async () => {
  const stage = await startStage({ FAIL_TO_CLOSE: 'yes' });
  stage.process.kill('SIGTERM');
  expect(await stage.ended).toBe(1);
  expect(stage.lines.at(-1)).toContain('cannot let go');
});

test('what is needed may come later: live and not ready until then, on the same port', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'knarr-start-'));
  const needed = join(folder, 'needed');
  try {
    const stage = spawnStage({ PORT: String(await freePort()), LOG_LEVEL: 'info', NEEDS_FILE: needed });
    const line = (text: string) => stage.lines.find((one) => one.includes(text));
    await expect.poll(() => line('waiting for'), { timeout: 30_000 }).toContain('The file is not there.');
    const { url } = JSON.parse(line('waiting for') ?? '');
    const agent = new Agent();
    expect((await send(`${url}/health/liveness`, agent)).status).toBe(200);
    for (const answer of [await send(`${url}/health/readiness`, agent), await send(url, agent, { n: 1 })])
      expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    await writeFile(needed, '');
    await expect.poll(() => line('"listening"'), { timeout: 30_000 }).toContain(url);
    expect((await send(`${url}/health/readiness`, agent)).status).toBe(200);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a wrong configuration is told whole, and ends the process before it listens', async () => {
  const stage = spawnStage({ PORT: '99999', LOG_LEVEL: 'loud', K_SINK: 'broker', K_CE_OVERRIDES: '{"a"' });
  expect(await stage.ended).toBe(78);
  for (const name of ['PORT ("99999")', 'LOG_LEVEL ("loud")', 'K_SINK ("broker")', 'K_CE_OVERRIDES'])
    expect(stage.lines.join('\n')).toContain(name);
});

test('on Knative a stage needs the key of all stages, or says that it checks nothing', async () => {
  const stage = spawnStage({ PORT: '0', K_SERVICE: 'embed' });
  expect(await stage.ended).toBe(78);
  expect(stage.lines.join('\n')).toMatch(/KNARR_STAGE_KEY \(unset\): on Knative anybody/);
  for (const key of ['none', 'k'.repeat(32)]) await startStage({ K_SERVICE: 'embed', KNARR_STAGE_KEY: key });
});

test('a port that is taken ends the process with the reason', async () => {
  const first = await startStage();
  const second = spawnStage({ PORT: new URL(first.url).port });
  expect(await second.ended).toBe(1);
  expect(second.lines.join('\n')).toContain('EADDRINUSE');
});

test('an ordinary func module runs as a process, too, with the stock names of its settings', async () => {
  const env = { FUNC_PORT: '0', FUNC_LOG_LEVEL: 'info', FUNC_BODY_LIMIT: '20' };
  const func = await startStage(env, 'testing/func-module.ts');
  const agent = new Agent();
  expect((await send(func.url, agent, { n: 1 })).body).toBe('{"said":{"n":1}}');
  expect((await send(func.url, agent, { n: 'more than 20 bytes' })).status).toBe(413);
  func.process.kill('SIGTERM');
  expect(await func.ended).toBe(0);
  expect(func.lines).toContain('shut down');
});
