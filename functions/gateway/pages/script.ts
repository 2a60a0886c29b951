/** What the pages do in a browser, served as it stands. It writes text into the page and never markup. */
export const SCRIPT = `'use strict';
const find = (selector, root = document) => root.querySelector(selector);

/** An element with text or elements inside. */
function make(name, attributes, ...inside) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...inside);
  return element;
}

/** The body of a response as text, piece by piece. */
async function* textOf(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    yield decoder.decode(value, { stream: true });
  }
}

/** Server-sent events with JSON in them, as [event, data]. */
async function* eventsOf(response) {
  let rest = '';
  for await (const text of textOf(response)) {
    const blocks = (rest + text).split('\\n\\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const event = /^event: (.*)$/m.exec(block);
      const data = /^data: (.*)$/m.exec(block);
      if (event && data) yield [event[1], JSON.parse(data[1])];
    }
  }
}

/** A request of this page, with the key that was given; without a valid one, the page asks for it. */
async function request(url, { headers = {}, ...init } = {}) {
  const key = keyOf();
  const response = await fetch(url, { ...init, headers: { ...headers, ...(key && { authorization: 'Bearer ' + key }) } });
  if (response.status === 401) find('#key').hidden = false;
  return response;
}

// Kept for this tab alone.
const keyOf = () => sessionStorage.getItem('key') || '';
find('#key input').addEventListener('change', ({ target }) => sessionStorage.setItem('key', target.value.trim()));
find('#key').hidden = keyOf() === '';

async function problemOf(response) {
  const problem = await response.json().catch(() => ({}));
  return problem.detail || 'The server answered ' + response.status + '.';
}

/** Calls work when the form is sent, and shows why it failed. */
function onSend(form, output, work) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const button = find('button', form);
    button.disabled = true;
    try {
      await work();
    } catch (error) {
      output.replaceChildren(make('p', { class: 'failed' }, error.message));
    } finally {
      button.disabled = false;
    }
  });
}

const asks = find('#ask');
if (asks) {
  const output = find('#answer');
  onSend(asks, output, async () => {
    const response = await request('/v1/rag', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ question: find('#question').value, stream: true }),
    });
    if (!response.ok) throw new Error(await problemOf(response));
    const text = make('p', { class: 'answer' });
    output.replaceChildren(text);
    for await (const [event, data] of eventsOf(response)) {
      if (event === 'token') text.append(data.text);
      if (event === 'error') throw new Error(data.detail);
      if (event === 'done') output.replaceChildren(...answerParts(data));
    }
  });
}

function answerParts({ answer, citations, sources, timings, degraded }) {
  const text = make('p', { class: 'answer' });
  let written = 0;
  for (const { source, end } of [...citations].sort((a, b) => a.end - b.end)) {
    text.append((answer || '').slice(written, end), make('sup', {}, make('a', { href: '#source-' + source }, '[' + (source + 1) + ']')));
    written = end;
  }
  text.append(answer === null ? 'No answer was made in time.' : answer.slice(written));
  const list = sources.map((source, index) => {
    const cited = citations.filter((citation) => citation.source === index);
    const name = make('summary', {}, '[' + (index + 1) + '] ' + (source.title || source.document), make('span', { class: 'soft' }, source.headings.join(' \\u203a ')));
    const details = make('details', { id: 'source-' + index, ...(cited.length > 0 && { open: '' }) }, name, make('div', {}, ...marked(source.text, cited.map(({ start, end }) => answer.slice(start, end).trim()))));
    return details;
  });
  const { total, ...steps } = timings;
  const spent = Object.entries(steps).map(([step, ms]) => step + ' ' + ms.toFixed(1)).join(' + ');
  const line = make('p', { class: 'soft' }, total.toFixed(1) + ' ms: ' + spent + (degraded.length > 0 ? '; skipped or cut: ' + degraded.join(', ') : ''));
  return [text, line, ...list];
}

/** A text with each quotation marked that stands in it word for word. */
function marked(text, quotations) {
  const ranges = quotations
    .map((quotation) => [text.indexOf(quotation), quotation.length])
    .filter(([start, length]) => start >= 0 && length > 0)
    .sort((a, b) => a[0] - b[0]);
  const parts = [];
  let written = 0;
  for (const [start, length] of ranges) {
    if (start < written) continue;
    parts.push(text.slice(written, start), make('mark', {}, text.slice(start, start + length)));
    written = start + length;
  }
  return [...parts, text.slice(written)];
}

const adds = find('#add');
if (adds) {
  const output = find('#added');
  const file = find('#file');
  file.addEventListener('change', () => {
    if (file.files[0]) find('#document').value = file.files[0].name;
  });
  onSend(adds, output, async () => {
    const path = '/v1/documents/' + encodeURIComponent(find('#document').value);
    const chosen = file.files[0];
    // A browser knows no type for Markdown.
    const type = chosen ? chosen.type || (/\\.(md|markdown)$/i.test(chosen.name) ? 'text/markdown' : 'text/plain') : 'text/markdown';
    const sent = await request(path, { method: 'PUT', headers: { 'content-type': type }, body: chosen || find('#text').value });
    if (!sent.ok) throw new Error(await problemOf(sent));
    const state = make('p', {}, 'accepted');
    output.replaceChildren(state);
    for await (const [event, data] of eventsOf(await request(path + '/events'))) {
      if (event !== 'state') continue;
      const done = data.state === 'indexed' ? ': it can be found now (chunks: ' + data.chunks + ')' : '';
      state.textContent = data.error ? data.error.message : data.state + done;
    }
  });
}

/** What a form of the documentation stands for. */
function requestOf(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  const headers = {};
  for (const field of form.querySelectorAll('[data-in]')) {
    const { name, value } = field;
    if (field.dataset.in === 'path') path = path.replace('{' + name + '}', encodeURIComponent(value));
    else if (value !== '' && field.dataset.in === 'query') query.append(name, value);
    else if (value !== '') headers[name] = value;
  }
  const body = find('textarea', form);
  if (body) headers['content-type'] = find('select', form).value;
  const search = query.size > 0 ? '?' + query : '';
  return { method: form.dataset.method.toUpperCase(), url: location.origin + path + search, headers, ...(body && { body: body.value }) };
}

const quoted = (text) => "'" + text.replaceAll("'", "'\\\\''") + "'";
const curlOf = ({ method, url, headers, body }) =>
  ['curl', ...(method === 'GET' ? [] : ['-X', method]), quoted(url), ...Object.entries(headers).flatMap(([name, value]) => ['-H', quoted(name + ': ' + value)]), ...(keyOf() ? ['-H', '"authorization: Bearer $KNARR_TOKEN"'] : []), ...(body === undefined ? [] : ['--data-binary', quoted(body)])].join(' ');

for (const form of document.querySelectorAll('form.try')) {
  const output = find('output', form);
  let last;
  onSend(form, output, async () => {
    if (last) last.abort();
    last = new AbortController();
    const { url, ...rest } = requestOf(form);
    const started = performance.now();
    const response = await request(url, { ...rest, signal: last.signal });
    const took = (performance.now() - started).toFixed(0);
    const content = make('pre', {});
    output.replaceChildren(make('pre', { class: 'soft' }, curlOf({ url, ...rest })), make('p', {}, response.status + ' ' + response.statusText + ', ' + took + ' ms'), content);
    for await (const text of textOf(response)) content.append(text);
    if (/json/.test(response.headers.get('content-type') || '') && !/ndjson/.test(response.headers.get('content-type'))) {
      content.textContent = JSON.stringify(JSON.parse(content.textContent), null, 2);
    }
  });
}

/** A call that is linked to is shown open. */
function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target || target.tagName !== 'DETAILS') return;
  target.open = true;
  target.scrollIntoView();
}
window.addEventListener('hashchange', openTarget);
openTarget();
`;
