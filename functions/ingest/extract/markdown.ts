import MarkdownIt from 'markdown-it';
import { parse as parseYaml } from 'yaml';
import { cleanText, type Extracted, TextBuilder } from './extracted.ts';

type Token = ReturnType<InstanceType<typeof MarkdownIt>['parse']>[number];

const FRONT_MATTER = /^---\n([\s\S]*?)\n---\n/;

/** CommonMark with tables: the text without its markup. The title is the front matter's, else the first level-1 heading. */
export function extractMarkdown(source: string): Extracted {
  const text = cleanText(source);
  const matter = FRONT_MATTER.exec(text);
  // maxNesting bounds the recursion of nested quotes and lists; what is deeper is read as text.
  const markdown = new MarkdownIt({ html: true, maxNesting: 100 });
  const tokens = markdown.parse(matter ? text.slice(matter[0].length) : text, {});
  const builder = new TextBuilder();
  let title = titleOf(matter?.[1]);
  let kind: 'paragraph' | 'item' = 'paragraph';
  let level: number | undefined;
  let cells: string[] | undefined;

  for (const token of tokens) {
    if (token.type === 'list_item_open') kind = 'item';
    else if (token.type === 'bullet_list_close' || token.type === 'ordered_list_close') kind = 'paragraph';
    else if (token.type === 'heading_open') level = Number(token.tag.slice(1));
    else if (token.type === 'heading_close') level = undefined;
    else if (token.type === 'tr_open') cells = [];
    else if (token.type === 'tr_close') {
      builder.add('table', (cells ?? []).join(' | '));
      cells = undefined;
    } else if (token.type === 'fence' || token.type === 'code_block') builder.add('code', token.content);
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
    .map((child) => {
      if (child.type === 'softbreak' || child.type === 'hardbreak') return '\n';
      return child.type === 'text' || child.type === 'code_inline' || child.type === 'image'
        ? child.content
        : '';
    })
    .join('');
}

function titleOf(frontMatter: string | undefined): string | null {
  if (frontMatter === undefined) return null;
  try {
    const { title } = parseYaml(frontMatter, { maxAliasCount: 10 }) as { title?: unknown };
    return typeof title === 'string' ? title : null;
  } catch {
    return null;
  }
}
