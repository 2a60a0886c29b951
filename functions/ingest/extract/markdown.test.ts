import { describe, expect, test } from 'vitest';
import type { Extracted } from './extracted.ts';
import { extractMarkdown } from './markdown.ts';

const blocksOf = ({ text, blocks }: Extracted) =>
  blocks.map(({ kind, level, start, end }) => [level ?? kind, text.slice(start, end)]);

test('headings, paragraphs, lists, code and tables, without their markup', () => {
  const source = `# The *Normans*

They were **the people** who gave
[their name](https://example.org "title") to \`Normandy\`.

Setext
------
1. first
   - inner

     more
2. second

\`\`\`ts
  const a = 1;

  const b = 2;
\`\`\`

| name | year |
|------|-----:|
| Rollo| 911  |
|      | 1066 |

> Quoted &amp; \\*escaped\\*.

![A longship](ship.png)
`;
  expect(blocksOf(extractMarkdown(source))).toEqual([
    [1, 'The Normans'],
    ['paragraph', 'They were the people who gave\ntheir name to Normandy.'],
    [2, 'Setext'],
    ['item', 'first'],
    ['item', 'inner'],
    ['item', 'more'],
    ['item', 'second'],
    ['code', '  const a = 1;\n\n  const b = 2;'],
    ['table', 'name | year'],
    ['table', 'Rollo | 911'],
    ['table', '| 1066'],
    ['paragraph', 'Quoted & *escaped*.'],
    ['paragraph', 'A longship'],
  ]);
});

test('HTML within it is read as HTML, and nothing of its text is lost', () => {
  const source = `Before<br>after <b>bold</b> \`<br>\`.

<details><summary>More</summary>

Inside.

</details>

<table><tr><td>cell</td><td>other</td></tr></table>

<script>hidden()</script>
<!-- hidden -->
`;
  expect(blocksOf(extractMarkdown(source))).toEqual([
    ['paragraph', 'Before\nafter bold <br>.'],
    ['paragraph', 'More'],
    ['paragraph', 'Inside.'],
    ['table', 'cell | other'],
  ]);
});

describe('the title', () => {
  test.each([
    ['is that of the front matter', '---\ntitle: Norse "ships"\ntags: [a]\n---\n# Other\n', 'Norse "ships"'],
    ['is the first level-1 heading', '## Intro\n\n# Ships\n\n# More', 'Ships'],
    ['may be missing', 'Only text.', null],
    ['is not a number', '---\ntitle: 7\n---\ntext', null],
  ])('%s', (_, source, title) => {
    expect(extractMarkdown(source).title).toBe(title);
  });

  test('front matter is no text, what only looks like it is', () => {
    expect(extractMarkdown('---\ntitle: a\n---\ntext').text).toBe('text');
    expect(extractMarkdown('---\n\nFirst part.\n\n---\n\nSecond part.').text).toBe(
      'First part.\n\nSecond part.',
    );
    expect(extractMarkdown('---\n: [broken\n---\ntext').text).toContain('broken');
    expect(extractMarkdown('---\ntitle: never ends\n').text).toContain('never ends');
  });

  test('aliases in front matter cannot multiply', () => {
    const bomb = `---\na: &a [x]\n${Array.from({ length: 30 }, (_, i) => `b${i}: &b${i} [*a,*a,*a,*a,*a]`).join('\n')}\n---\ntext`;
    expect(extractMarkdown(bomb).text).toContain('text');
  });
});

test('quotes and lists nested deeper than a document needs are read as they stand', () => {
  const quotes = `${'> '.repeat(300)}deep\n\nafter`;
  expect(extractMarkdown(quotes).text).toContain('deep');
  const list = Array.from({ length: 300 }, (_, depth) => `${'  '.repeat(depth)}- item ${depth}`).join('\n');
  const { text } = extractMarkdown(`${list}\n\nafter`);
  for (let depth = 0; depth < 300; depth++) expect(text).toContain(`item ${depth}`);
  expect(text).toContain('after');
});

test('invisible characters are gone, written as they are or as entities', () => {
  expect(extractMarkdown('a\u200bb &#x200b;c&shy;d &#x202e;e').text).toBe('ab cd e');
});
