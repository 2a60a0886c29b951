import { describe, expect, test } from 'vitest';
import type { Extracted } from './extracted.ts';
import { extractFragment, extractHtml } from './html.ts';

const blocksOf = ({ text, blocks }: Extracted) =>
  blocks.map(({ kind, level, start, end }) => [level ?? kind, text.slice(start, end)]);
const PROSE = 'The knarr was a merchant ship of the Norse, built for long voyages on the open sea. '.repeat(
  12,
);

describe('structure', () => {
  test('headings, paragraphs, lists, code, line breaks', () => {
    const page = `<!doctype html><html><head><title>Ships</title><style>p{}</style></head><body>
      <h1>Ships</h1><p>A  knarr
      carried <b>cargo</b>.<br>And wool.</p>
      <h2>List</h2><ul><li>one <i>item</i></li><li><p>two</p><p>more</p></li></ul>
      <pre><code>  if (a) {

    b();
  }</code></pre>after<script>hidden()</script></body></html>`;
    expect(blocksOf(extractHtml(page))).toEqual([
      [1, 'Ships'],
      ['paragraph', 'A knarr carried cargo.\nAnd wool.'],
      [2, 'List'],
      ['item', 'one item'],
      ['item', 'two'],
      ['item', 'more'],
      ['code', '  if (a) {\n\n    b();\n  }'],
      ['paragraph', 'after'],
    ]);
  });

  test('a table row is one line, its empty cells stay', () => {
    const table =
      '<table><caption>Ships</caption><tr><th>name<th>year<th>place</tr><tr><td><p>Gokstad</p><p>ship</p><td><td>Oslo</tr></table>';
    expect(blocksOf(extractFragment(table))).toEqual([
      ['paragraph', 'Ships'],
      ['table', 'name | year | place'],
      ['table', 'Gokstad ship |  | Oslo'],
    ]);
  });

  test('a table that only arranges the page is no table', () => {
    const layout = `<table><tr><td>menu</td><td>before<table><tr><td>a</td><td>b</td></tr></table>after<h2>Part</h2><p>text</p></td></tr></table>
      <table><tr><td>${PROSE}</td><td>side</td></tr></table>
      <table><tr><td>left</td><td><h3>Crew</h3>small</td><td>right</td></tr></table>`;
    expect(blocksOf(extractFragment(layout))).toEqual([
      ['paragraph', 'menu'],
      ['paragraph', 'before'],
      ['table', 'a | b'],
      ['paragraph', 'after'],
      [2, 'Part'],
      ['paragraph', 'text'],
      ['paragraph', PROSE.trim()],
      ['paragraph', 'side'],
      ['paragraph', 'left'],
      [3, 'Crew'],
      ['paragraph', 'small'],
      ['paragraph', 'right'],
    ]);
  });

  test('a piece without html or body, entities, and a stray end tag', () => {
    expect(extractHtml('</div>a &lt; b &amp; c&nbsp;d &eacute;').text).toBe('a < b & c\u00a0d é');
  });

  test('invisible characters are gone', () => {
    expect(extractHtml('<p>ig&#8203;nore&#x200d; this &#xE0041;&#xAD;text\u202e').text).toBe(
      'ignore this text',
    );
  });
});

describe('the content of a page', () => {
  const menu = `<div class="menu">${'<a href="/x">Menu entry</a> '.repeat(40)}</div>`;

  test('is what the page marks as its main part', () => {
    const page = `<html><body>${menu}<main><h1>Ships</h1><p>${PROSE}</p><nav>Previous</nav></main><footer>Imprint</footer></body></html>`;
    expect(extractHtml(page).text).toBe(`Ships\n\n${PROSE.trim()}`);
  });

  test('is the whole body when the marked part holds less than half of it', () => {
    const page = `<html><body><p>${PROSE}</p><p>${PROSE}</p><main>An aside.</main></body></html>`;
    expect(extractHtml(page).text).toContain('voyages');
    expect(extractHtml(page).text).toContain('An aside.');
  });

  test('is found without marks, and menus are left out', () => {
    const page = `<html><head><title>Ships</title></head><body>${menu}<div class="content"><h1>Ships</h1><h2>Cargo</h2><p>${PROSE}</p><p>${PROSE}</p></div>${menu}</body></html>`;
    const extracted = extractHtml(page);
    expect(blocksOf(extracted).slice(0, 2)).toEqual([
      [1, 'Ships'],
      [2, 'Cargo'],
    ]);
    expect(extracted.text).toContain('voyages');
    expect(extracted.text).not.toContain('Menu entry');
  });

  test('is the whole body when leaving something out would lose prose', () => {
    const parts = Array.from(
      { length: 12 },
      (_, i) => `<div><h3>Part ${i}</h3><div>Short text ${i}.</div></div>`,
    );
    const { text } = extractHtml(`<html><body>${menu}${parts.join('')}</body></html>`);
    for (let i = 0; i < 12; i++) expect(text).toContain(`Part ${i}\n\nShort text ${i}.`);
  });
});

describe('the title', () => {
  const page = (head: string, body: string) => `<html><head>${head}</head><body>${body}</body></html>`;
  test.each([
    [
      'is the heading when it is part of the title',
      page('<title>Ships – Wiki</title>', '<h1>Ships</h1>x'),
      'Ships',
    ],
    [
      'is the page title otherwise',
      page('<title>All about ships</title>', '<h1>Welcome</h1>x'),
      'All about ships',
    ],
    ['is the heading without a page title', page('', '<h1>A <b>knarr</b></h1>x'), 'A knarr'],
    ['may be missing', page('', 'x'), null],
  ])('%s', (_, source, title) => {
    expect(extractHtml(source).title).toBe(title);
  });
});

describe('nesting', () => {
  test('of thousands of levels is read', () => {
    expect(extractHtml(`${'<div>'.repeat(9000)}deep${'</div>'.repeat(9000)}`).text).toBe('deep');
    expect(extractHtml(`${'<p>'.repeat(30_000)}flat`).text).toBe('flat');
  });

  test('without end is refused', () => {
    expect(() => extractHtml('<div>'.repeat(200_000))).toThrow(
      expect.objectContaining({ code: 'unprocessable', message: 'The page nests more than 10000 elements.' }),
    );
  });
});

test('many children of one element', () => {
  const { blocks } = extractHtml(`<body>${'<p>x</p>'.repeat(130_000)}</body>`);
  expect(blocks).toHaveLength(130_000);
});
