import MarkdownIt from 'markdown-it';
import { parse as parseYaml } from 'yaml';
import { cleanText } from './clean.ts';
import { type Extracted, TextBuilder } from './extracted.ts';
import { addHtml } from './html.ts';
import { extractText } from './text.ts';

type Token = ReturnType<InstanceType<typeof MarkdownIt>['parse']>[number];

const FRONT_MATTER = /^---\n([\s\S]{0,65536}?)\n---(?:\n|$)/;
/** Quotes and lists within each other. markdown-it recurses, and leaves out what is deeper. */
const MAX_NESTING = 100;

/**
 * CommonMark with tables: the text without its markup, also of HTML in it. The title is the front matter's, else the
 * first level-1 heading.
 */
export function extractMarkdown(source: string): Extracted {
  const text = cleanText(source);
  const matter = readFrontMatter(text);
  const content = text.slice(matter.length);
  const tokens = new MarkdownIt({ html: true, maxNesting: MAX_NESTING }).parse(content, {});
  if (tokens.some(({ level }) => level >= MAX_NESTING - 1)) return extractText(content);
  const builder = new TextBuilder();
  let { title } = matter;
  let kind: 'paragraph' | 'item' = 'paragraph';
  let level: number | undefined;
  let cells: string[] | undefined;
  let row = '';
  const lines = content.split('\n');

  for (const token of tokens) {
    if (token.type === 'list_item_open') kind = 'item';
    else if (token.type === 'bullet_list_close' || token.type === 'ordered_list_close') kind = 'paragraph';
    else if (token.type === 'heading_open') level = Number(token.tag.slice(1));
    else if (token.type === 'heading_close') level = undefined;
    else if (token.type === 'tr_open') {
      cells = [];
      row = lines[token.map?.[0] ?? -1] ?? '';
    } else if (token.type === 'tr_close') {
      // Cells beyond those of the head are left out of the tokens (GFM §4.10), not out of the text.
      const isWhole = cellsIn(row) <= (cells?.length ?? 0);
      builder.add('table', isWhole ? (cells ?? []).join(' | ') : row);
      cells = undefined;
    } else if (token.type === 'fence' || token.type === 'code_block') builder.add('code', token.content);
    else if (token.type === 'html_block') addHtml(builder, token.content);
    else if (token.type === 'inline') {
      const content = inlineText(token);
      if (cells) cells.push(content);
      else if (level !== undefined) {
        builder.add('heading', content, level);
        if (level === 1) title ??= content;
      } else builder.add(kind, content);
    }
  }
  return builder.build(title);
}

function inlineText(token: Token): string {
  return (token.children ?? [])
    .map(({ type, content }) => {
      if (type === 'softbreak' || type === 'hardbreak') return '\n';
      if (type === 'html_inline') return /^<br[\s/>]/i.test(content) ? '\n' : '';
      return type === 'text' || type === 'code_inline' || type === 'image' ? content : '';
    })
    .join('');
}

const cellsIn = (row: string): number =>
  row
    .trim()
    .replace(/^\||(?<!\\)\|$/g, '')
    .split(/(?<!\\)\|/).length;

/** The title and length of YAML front matter; what only looks like it is text. */
function readFrontMatter(text: string): { title: string | null; length: number } {
  const [whole = '', yaml = ''] = FRONT_MATTER.exec(text) ?? [];
  try {
    const matter: unknown = whole === '' ? null : parseYaml(yaml, { maxAliasCount: 10 });
    if (matter === null || typeof matter !== 'object' || Array.isArray(matter))
      return { title: null, length: 0 };
    const { title } = matter as { title?: unknown };
    return { title: typeof title === 'string' ? title : null, length: whole.length };
  } catch {
    return { title: null, length: 0 };
  }
}
