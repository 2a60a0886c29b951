import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import type { GenerateInput } from '../../_shared/contracts.ts';
import { type Generator, NO_ANSWER } from '../port.ts';
import { createPromptedGenerator } from '../prompted/generator.ts';
import { callOf, passageOf } from '../samples.ts';
import { createOpenAIModel, type OpenAIOptions } from './chat.ts';
import { beginStream, type ChatServer, chatServer, chunk, DONE, type Responder, stream } from './testing.ts';

const INPUT: GenerateInput = {
  question: 'Who led them?',
  passages: [passageOf('Rollo led the Normans.', { title: 'Normans' }), passageOf('Turing built machines.')],
};

const servers: ChatServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function serve(
  respond: Responder,
  options: Partial<OpenAIOptions> = {},
): Promise<{ server: ChatServer; generator: Generator }> {
  const server = await chatServer(respond);
  servers.push(server);
  const chat = createOpenAIModel({
    baseUrl: server.url,
    apiKey: 'sk-secret',
    model: 'small',
    maxTokens: 99,
    temperature: 0.5,
    topP: 0.9,
    firstTokenMs: 10_000,
    totalMs: 20_000,
    ...options,
  });
  return { server, generator: createPromptedGenerator(chat, 20_000) };
}

test('asks by the protocol, with numbered sources', async () => {
  const { server, generator } = await serve((response) => stream(response, ['Rollo [1].']));
  await generator.generate(INPUT, callOf());
  const [{ url, headers, body }] = server.received as [(typeof server.received)[0]];
  expect(url).toBe('/v1/chat/completions');
  expect(headers).toMatchObject({ authorization: 'Bearer sk-secret', 'content-type': 'application/json' });
  expect(body).toMatchObject({
    model: 'small',
    stream: true,
    max_tokens: 99,
    temperature: 0.5,
    top_p: 0.9,
  });
  expect(body.messages.map(({ role }) => role)).toEqual(['system', 'user']);
  expect(body.messages[1]?.content).toMatch(
    /<source number="1" about="Normans">\nRollo led the Normans\.\n<\/source>\n<source number="2"[\s\S]*<question>\nWho led them\?/,
  );
});

test('text arrives while it is made', async () => {
  let goOn = () => {};
  const firstSeen = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const { generator } = await serve(async (response) => {
    beginStream(response).write(chunk('Rollo '));
    // The rest is not even made before the first piece has come through.
    await firstSeen;
    response.write(chunk('led them [1].'));
    response.end(chunk(null, 'stop') + DONE);
  });
  const pieces: string[] = [];
  const output = await generator.generate(
    INPUT,
    callOf({
      onProgress: ({ text }) => {
        pieces.push(text);
        goOn();
      },
    }),
  );
  expect(output).toEqual({
    answer: 'Rollo led them [1].',
    answered: true,
    citations: [{ source: 0, start: 0, end: 14 }],
    model: 'small',
    degraded: [],
  });
  expect(pieces.length).toBeGreaterThan(1);
  expect(pieces.join('')).toBe(output.answer);
});

test('events and characters may be cut anywhere', async () => {
  const bytes = Buffer.from(`: a comment\r\n\r\n${chunk('Göngu-Hrólfr 🛡 ')}${chunk('[1].', 'stop')}${DONE}`);
  const { generator } = await serve(async (response) => {
    beginStream(response);
    for (let at = 0; at < bytes.length; at += 7) {
      response.write(bytes.subarray(at, at + 7));
      await sleep(0);
    }
    response.end();
  });
  expect((await generator.generate(INPUT, callOf())).answer).toBe('Göngu-Hrólfr 🛡 [1].');
});

test('what was never given is not cited', async () => {
  const { generator } = await serve((response) =>
    stream(response, ['Rollo [', '1', '][7], Turing [2', ', 9] and [0', '] nobody.']),
  );
  const pieces: string[] = [];
  const output = await generator.generate(INPUT, callOf({ onProgress: ({ text }) => pieces.push(text) }));
  expect(output.answer).toBe('Rollo [1], Turing [2] and nobody.');
  expect(pieces.join('')).toBe(output.answer);
  expect(output.citations.map(({ source, start, end }) => [source, output.answer.slice(start, end)])).toEqual(
    [
      [0, 'Rollo'],
      [1, 'Turing'],
    ],
  );
  expect(output.degraded).toEqual(['generate.citations:7,9,0']);
});

test('when the caller goes, so does the request', async () => {
  const { server, generator } = await serve((response) => void beginStream(response).write(chunk('Rollo ')));
  const caller = new AbortController();
  const asked = generator.generate(
    INPUT,
    callOf({ signal: caller.signal, onProgress: () => caller.abort() }),
  );
  await expect(asked).rejects.toMatchObject({ code: 'cancelled' });
  await server.received[0]?.left;
  expect(server.received).toHaveLength(1);
});

test('when the caller goes while the server is thinking, so does the request', async () => {
  const caller = new AbortController();
  const { server, generator } = await serve(() => caller.abort());
  await expect(generator.generate(INPUT, callOf({ signal: caller.signal }))).rejects.toMatchObject({
    code: 'cancelled',
  });
  await server.received[0]?.left;
});

test.each<[string, Responder]>([
  ['503', (response) => response.writeHead(503, { 'retry-after': '0' }).end('busy')],
  ['429', (response) => response.writeHead(429, { 'retry-after': '0' }).end()],
  ['a reset connection', (response) => response.socket?.destroy()],
  ['a stream that ends before it begins', (response) => beginStream(response).end()],
])('%s before the first token is tried again', async (_, fail) => {
  const { server, generator } = await serve((response, attempt, request) =>
    attempt <= 2 ? fail(response, attempt, request) : stream(response, ['Rollo [1].']),
  );
  expect(await generator.generate(INPUT, callOf())).toMatchObject({ answer: 'Rollo [1].', degraded: [] });
  expect(server.received).toHaveLength(3);
});

test('it gives up in the end', async () => {
  const { server, generator } = await serve((response) =>
    response.writeHead(500, { 'retry-after': '0' }).end(),
  );
  await expect(generator.generate(INPUT, callOf())).rejects.toMatchObject({ code: 'unavailable' });
  expect(server.received).toHaveLength(4);
});

test('it does not wait for a retry that would come too late', async () => {
  const { server, generator } = await serve((response) =>
    response.writeHead(503, { 'retry-after': '60' }).end(),
  );
  await expect(generator.generate(INPUT, callOf())).rejects.toMatchObject({ code: 'unavailable' });
  expect(server.received).toHaveLength(1);
});

test.each<[string, Responder]>([
  ['a refusal', (response) => response.writeHead(401).end('sk-secret is wrong')],
  [
    'a redirect',
    (response, _, { headers }) =>
      response.writeHead(307, { location: `http://${headers.host}/elsewhere` }).end(),
  ],
  ['an error object', (response) => beginStream(response).end('data: {"error":{"message":"no"}}\n\n')],
  ['what is no JSON', (response) => beginStream(response).end('data: {"choices\n\n')],
  ['what is no completion', (response) => beginStream(response).end('data: {"choices":"none"}\n\n')],
  [
    'a stream without end',
    (response) => {
      const line = `: ${'x'.repeat(1024 * 1024)}\n`;
      const more = () => {
        while (!response.destroyed && response.write(line));
      };
      beginStream(response).on('drain', more);
      more();
    },
  ],
])('%s fails, for good or after retries, without telling what the server said', async (_, respond) => {
  const { generator } = await serve(respond);
  const error = await generator.generate(INPUT, callOf()).catch((thrown) => thrown);
  expect(['upstream_failed', 'unavailable']).toContain(error.code);
  expect(error.message).not.toContain('sk-secret');
});

test.each<[string, Responder]>([
  [
    'breaks off',
    (response) => beginStream(response).write(chunk('Rollo '), () => response.socket?.destroy()),
  ],
  ['ends early', (response) => beginStream(response).end(chunk('Rollo '))],
  ['fails', (response) => beginStream(response).end(`${chunk('Rollo ')}data: {"error":"overloaded"}\n\n`)],
])('an answer that has begun and %s is not begun again', async (_, respond) => {
  const { server, generator } = await serve(respond);
  await expect(generator.generate(INPUT, callOf())).rejects.toMatchObject({ code: 'upstream_failed' });
  expect(server.received).toHaveLength(1);
});

test('at the deadline an answer that has begun ends with what it has', async () => {
  const { server, generator } = await serve(
    (response) => void beginStream(response).write(chunk('Rollo led [1] and')),
  );
  const output = await generator.generate(INPUT, callOf({ deadline: Date.now() + 400 }));
  expect(output).toMatchObject({ answer: 'Rollo led [1] and', answered: true, citations: [{ source: 0 }] });
  expect(output.degraded).toEqual(['generate.deadline']);
  await server.received[0]?.left;
});

test('a deadline or a patience that ends before the first token is an error', async () => {
  const silent = await serve(() => {});
  await expect(
    silent.generator.generate(INPUT, callOf({ deadline: Date.now() + 100 })),
  ).rejects.toMatchObject({ code: 'deadline_exceeded' });
  await silent.server.received[0]?.left;
  const slow = await serve((response) => void beginStream(response).write(': wait\n\n'), {
    firstTokenMs: 100,
  });
  await expect(slow.generator.generate(INPUT, callOf())).rejects.toMatchObject({ code: 'unavailable' });
  await slow.server.received[0]?.left;
});

test.each([
  ['length', 'generate.max_tokens'],
  ['content_filter', 'generate.filtered'],
])('finish reason %s is %s', async (reason, named) => {
  const { generator } = await serve((response) => stream(response, ['Rollo [1]'], reason));
  expect((await generator.generate(INPUT, callOf())).degraded).toEqual([named]);
});

test.each([
  NO_ANSWER,
  "I'm sorry, but the provided sources do not mention a leader.",
  'The sources don’t say who led them.',
  'There is no information about that.',
  'I cannot determine this from the sources.',
])('%s is no answer', async (text) => {
  const { generator } = await serve((response) => stream(response, [text]));
  expect(await generator.generate(INPUT, callOf())).toMatchObject({
    answer: text,
    answered: false,
    citations: [],
    degraded: [],
  });
});

test('an answer that cites nothing says so, and an empty one is a failure', async () => {
  const uncited = await serve((response) => stream(response, ['Rollo led them.']));
  expect(await uncited.generator.generate(INPUT, callOf())).toMatchObject({
    answered: true,
    degraded: ['generate.uncited'],
  });
  const empty = await serve((response) => stream(response, ['', ' ']));
  await expect(empty.generator.generate(INPUT, callOf())).rejects.toMatchObject({ code: 'upstream_failed' });
});

test('a server that does not stream is understood', async () => {
  const { generator } = await serve((response) => {
    response.setHeader('content-type', 'application/json');
    const message = { role: 'assistant', content: 'Rollo [1].' };
    response.end(JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }] }));
  });
  expect((await generator.generate(INPUT, callOf())).answer).toBe('Rollo [1].');
});

test('without passages nobody is asked', async () => {
  const { server, generator } = await serve((response) => stream(response, ['Rollo.']));
  expect(await generator.generate({ ...INPUT, passages: [] }, callOf())).toMatchObject({ answered: false });
  expect(server.received).toEqual([]);
});
