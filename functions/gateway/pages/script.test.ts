import { runInNewContext } from 'node:vm';
import { parseHTML } from 'linkedom';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Passage } from '../../_shared/contracts.ts';
import { openGuarded } from '../auth/testing.ts';
import { openTestGateway, type TestGateway } from '../testing.ts';

const TEXT = 'Knarr\n\nA knarr is a cargo ship. <b>It</b> was slow.';
const passage: Passage = {
  document: 'ship',
  version: 1,
  title: 'Ships',
  uri: null,
  chunk: 0,
  range: [0, TEXT.length],
  headings: ['Knarr'],
  metadata: {},
  text: TEXT,
  score: 1,
};

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await openTestGateway(
    {},
    {
      embed: async () => ({ vectors: ['AACAPw=='], model: 'm', dimensions: 1, truncated: [], tokens: [1] }),
      search: async () => ({
        hits: [{ document: 'ship', version: 1, chunk: 0, score: 1 }],
        mode: 'hybrid' as const,
        degraded: [],
      }),
      fetch: async () => ({ passages: [passage], dropped: 0 }),
      generate: async (_, { onProgress }) => {
        const answer = 'A knarr is a cargo ship. <b>It</b> was slow.';
        onProgress?.({ text: answer });
        const citations = [{ source: 0, start: 0, end: 24 }];
        return { answer, answered: true, citations, model: 'm', degraded: [] };
      },
    },
  );
});
afterAll(() => gateway.close());

/** A page of the gateway with its script at work, over the gateway's real answers. */
async function open(path: string, { ask, running }: TestGateway = gateway) {
  const { body, headers } = await ask('GET', path);
  expect(headers.get('content-security-policy')).toContain("script-src 'self'");
  const { document, window } = parseHTML(body);
  const source: string = document.querySelector('script').getAttribute('src');
  const script = await ask('GET', source);
  expect(script.headers.get('content-type')).toMatch(/^text\/javascript/);
  const location = new URL(path, 'http://localhost');
  const fetched = (url: string, init?: RequestInit) =>
    running.fetch(new Request(new URL(url, location), init));
  const kept = new Map<string, string>();
  const sessionStorage = {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => kept.set(name, value),
  };
  runInNewContext(script.body, {
    document,
    window,
    location,
    sessionStorage,
    fetch: fetched,
    performance,
    URLSearchParams,
    TextDecoder,
    AbortController,
  });
  const send = (form: string) =>
    document.querySelector(form).dispatchEvent(new window.Event('submit', { cancelable: true }));
  const type = (field: string, text: string) => {
    const input = document.querySelector(field);
    input.value = text;
    input.dispatchEvent(new window.Event('change', { bubbles: true }));
  };
  return { document, send, type };
}

/** What stands in a form to be sent; this DOM leaves the character references as they are. */
const sampleBody = (document: any, form: string): string =>
  document.querySelector(`${form} textarea`).textContent.replaceAll('&quot;', '"');

test('an answer is shown with its citations, and what documents say is never markup', async () => {
  const { document, send } = await open('/');
  document.querySelector('#question').value = 'What is a knarr?';
  send('#ask');
  await expect.poll(() => document.querySelector('#answer details')).toBeTruthy();
  const answer = document.querySelector('#answer');
  expect(answer.querySelector('.answer').textContent).toBe('A knarr is a cargo ship.[1] <b>It</b> was slow.');
  expect(answer.querySelector('sup a').getAttribute('href')).toBe('#source-0');
  expect(answer.querySelector('summary').textContent).toContain('[1] Ships');
  expect(answer.querySelector('mark').textContent).toBe('A knarr is a cargo ship.');
  expect(answer.querySelectorAll('b')).toHaveLength(0);
});

test('a refusal is shown with its reason', async () => {
  const { document, send } = await open('/');
  document.querySelector('#question').value = '  ';
  send('#ask');
  await expect.poll(() => document.querySelector('#answer .failed')?.textContent).toContain('blank');
  expect(document.querySelector('#ask button').disabled).toBe(false);
});

test('who is asked for a key may give it, and is let in', async () => {
  const { gateway: guarded, key } = await openGuarded();
  try {
    const { document, send, type } = await open('/docs', guarded);
    const state = '#get-v1-documents-id- form';
    const output = () => document.querySelector(`${state} output`).textContent;
    expect(document.querySelector('#key').hidden).toBe(true);
    document.querySelector(`${state} input`).value = 'x';
    send(state);
    await expect.poll(output).toContain('401');
    expect(document.querySelector('#key').hidden).toBe(false);
    type('#key input', (await key('reader')).key);
    send(state);
    await expect.poll(output).toContain('404');
    expect(output()).toContain('-H "authorization: Bearer $KNARR_TOKEN"');
  } finally {
    await guarded.close();
  }
});

test('a text is added as a document', async () => {
  const { document, send } = await open('/');
  document.querySelector('#document').value = 'notes/new one.md';
  document.querySelector('#text').value = '# Oars';
  document.querySelector('#file').files = [];
  send('#add');
  await expect.poll(() => document.querySelector('#added').textContent).toBe('accepted');
  const { body } = await gateway.ask('GET', `/v1/documents/${encodeURIComponent('notes/new one.md')}`);
  expect(body).toMatchObject({ content_type: 'text/markdown', bytes: 6 });
});

test('each call of the documentation can be made, and is shown for a terminal', async () => {
  const { document, send } = await open('/docs');
  const forms = [...document.querySelectorAll('form.try')];
  expect(forms.length).toBe(document.querySelectorAll('details.call').length);

  const put = '#put-v1-documents-id- form';
  document.querySelector(`${put} input[name="id"]`).value = "it's";
  document.querySelector(`${put} input[name="Idempotency-Key"]`).value = 'once';
  document.querySelector(`${put} textarea`).value = sampleBody(document, put);
  document.querySelector(`${put} option`).setAttribute('selected', '');
  send(put);
  await expect.poll(() => document.querySelector(`${put} output`).textContent).toContain('202');
  const output = document.querySelector(`${put} output`);
  expect(output.textContent).toContain(
    `curl -X PUT 'http://localhost/v1/documents/it'\\''s' -H 'Idempotency-Key: once' -H 'content-type: application/json'`,
  );
  expect((await gateway.ask('GET', "/v1/documents/it's")).body).toMatchObject({ title: 'Ships' });
});

test.each(['post-v1-search', 'post-v1-rag', 'post-v1-documents'])(
  'the sample body of %s is taken as it stands',
  async (call) => {
    const { document } = await open('/docs');
    const form = document.querySelector(`#${call} form`);
    const reply = await gateway.ask(
      form.dataset.method,
      form.dataset.path,
      JSON.parse(sampleBody(document, `#${call} form`)),
    );
    expect([200, 202]).toContain(reply.status);
  },
);
