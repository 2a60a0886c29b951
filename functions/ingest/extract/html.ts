import { contentOf } from './article.ts';
import { type DomNode, ELEMENT_NODE, nodesOf, parseDom, TEXT_NODE } from './dom.ts';
import { type Block, type Extracted, TextBuilder } from './extracted.ts';

/** Elements that begin and end a block of text. */
const BLOCKS = new Set(
  'ADDRESS ARTICLE ASIDE BLOCKQUOTE BODY CAPTION DD DETAILS DIV DL DT FIELDSET FIGCAPTION FIGURE FOOTER FORM H1 H2 H3 H4 H5 H6 HEADER HR HTML LI MAIN OL P PRE SECTION SUMMARY TABLE TBODY TD TFOOT TH THEAD TR UL'.split(
    ' ',
  ),
);
/** A table row that holds one of these only arranges the page. */
const NOT_IN_CELLS = new Set('TABLE H1 H2 H3 H4 H5 H6 PRE'.split(' '));
/** A row in one cell, or with one as long as this (code units), is prose. */
const LONG_CELL = 500;

/** The text of a page's content, without menus and the like. */
export function extractHtml(source: string): Extracted {
  const document = parseDom(source);
  const content = contentOf(document);
  const builder = new TextBuilder();
  const own = mainHeading(content);
  // It may stand above what the page marks as its content, and Readability takes it away.
  const heading = own || mainHeading(document);
  if (own === '') builder.add('heading', heading, 1);
  addNodes(builder, content);
  return builder.build(titleOf(document.title, heading));
}

/** The text of HTML that is content throughout (a converted document). */
export function extractFragment(source: string): Extracted {
  const document = parseDom(source);
  const builder = new TextBuilder();
  addNodes(builder, document.body ?? document);
  return builder.build(mainHeading(document));
}

/** Adds the text of a piece of HTML. */
export function addHtml(builder: TextBuilder, source: string): void {
  const document = parseDom(source);
  addNodes(builder, document.body ?? document);
}

function mainHeading(root: DomNode): string {
  for (const [node] of nodesOf(root)) if (node.nodeName === 'H1') return node.textContent?.trim() ?? '';
  return '';
}

/** Titles are often `heading - site`; the heading says it shorter. */
function titleOf(title: string, heading: string): string {
  return title.trim() === '' || (heading !== '' && title.includes(heading)) ? heading : title;
}

/** Walks without recursion, so that no nesting can overflow it. */
function addNodes(builder: TextBuilder, root: DomNode): void {
  let kind: Block['kind'] = 'paragraph';
  let level: number | undefined;
  let pending: string[] = [];
  /** Of the table row that is open. */
  let cells: string[] | undefined;
  let preformatted = 0;

  const flush = () => {
    const raw = pending.join('');
    pending = [];
    // White space is as wide as one space; only <br>, kept as \v until here, ends a line.
    const text = preformatted > 0 ? raw : raw.replace(/[ \t\n\r\f]+/g, ' ').replace(/ ?\v ?/g, '\n');
    if (cells === undefined) builder.add(kind, text, level);
    else if (text.trim() !== '') cells.push([cells.pop() ?? '', text.trim()].filter(Boolean).join('\n'));
  };
  const endRow = (isLayout = false) => {
    const row = cells ?? [];
    cells = undefined;
    const isProse = isLayout || row.length === 1 || row.some((cell) => cell.length >= LONG_CELL);
    if (isProse) for (const cell of row) builder.add('paragraph', cell);
    else if (row.some(Boolean)) {
      builder.add('table', row.map((cell) => cell.replaceAll('\n', ' ')).join(' | '));
    }
  };
  const open = ({ nodeName }: DomNode) => {
    if (nodeName === 'BR') pending.push(preformatted > 0 ? '\n' : '\v');
    if (!BLOCKS.has(nodeName)) return;
    flush();
    if (NOT_IN_CELLS.has(nodeName)) endRow(true);
    if (/^H[1-6]$/.test(nodeName)) [kind, level] = ['heading', Number(nodeName[1])];
    if (nodeName === 'LI') kind = 'item';
    if (nodeName === 'TD' || nodeName === 'TH') cells?.push('');
    if (nodeName === 'TR') {
      endRow();
      cells = [];
    }
    if (nodeName === 'PRE') {
      preformatted++;
      kind = 'code';
    }
  };
  const close = ({ nodeName }: DomNode) => {
    if (!BLOCKS.has(nodeName)) return;
    flush();
    if (nodeName === 'TR') endRow();
    if (nodeName === 'PRE') preformatted--;
    if (/^(H[1-6]|LI|PRE)$/.test(nodeName)) [kind, level] = ['paragraph', undefined];
  };

  const stack: (DomNode | { closes: DomNode })[] = [root];
  for (let next = stack.pop(); next; next = stack.pop()) {
    if ('closes' in next) {
      close(next.closes);
      continue;
    }
    if (next.nodeType === TEXT_NODE) pending.push(next.textContent ?? '');
    if (next.nodeType !== ELEMENT_NODE && next !== root) continue;
    open(next);
    stack.push({ closes: next });
    const children = [...next.childNodes];
    for (let index = children.length - 1; index >= 0; index--) stack.push(children[index] as DomNode);
  }
  flush();
}
