import { Readability } from '@mozilla/readability';
import { parseHTML } from 'linkedom';
import { type Block, type Extracted, TextBuilder } from './extracted.ts';

/** The part of the DOM that is read; linkedom's own types need the browser's. */
interface DomNode {
  nodeType: number;
  nodeName: string;
  textContent: string | null;
  childNodes: Iterable<DomNode>;
}
interface DomDocument extends DomNode {
  title: string;
  body: DomNode | null;
  documentElement: DomNode | null;
  cloneNode(deep: boolean): DomDocument;
  querySelector(selector: string): DomNode | null;
  querySelectorAll(selector: string): Iterable<DomNode & { remove(): void }>;
}
const TEXT_NODE = 3;
const ELEMENT_NODE = 1;

const UNSEEN = 'script, style, noscript, template, iframe, object, svg, head > :not(title)';
/** Elements that begin and end a block of text. */
const BLOCKS = new Set(
  'ADDRESS ARTICLE ASIDE BLOCKQUOTE BODY DD DETAILS DIV DL DT FIELDSET FIGCAPTION FIGURE FOOTER FORM H1 H2 H3 H4 H5 H6 HEADER HR HTML LI MAIN NAV OL P PRE SECTION SUMMARY TABLE TBODY TD TFOOT TH THEAD TR UL'.split(
    ' ',
  ),
);
/** Deeper trees are no documents, and would overflow recursive readers. */
const MAX_DEPTH = 512;

/** The text of a page: the article that Readability finds, else the whole body. */
export function extractHtml(source: string): Extracted {
  const document = parse(source);
  const title = document.title || (document.querySelector('h1')?.textContent ?? null);
  const article = depthOf(document) <= MAX_DEPTH ? readArticle(document) : undefined;
  return walk(article ?? document.body ?? document, title);
}

/** The text of HTML that is known to be content throughout (a converted document). */
export function extractFragment(source: string): Extracted {
  const document = parse(`<!doctype html><html><head></head><body>${source}</body></html>`);
  return walk(document.body ?? document, document.querySelector('h1')?.textContent ?? null);
}

function parse(source: string): DomDocument {
  // A fragment has no place where a body could be found.
  const whole = /<html[\s>]/i.test(source) ? source : `<!doctype html><html><body>${source}</body></html>`;
  const document = parseHTML(whole).document as unknown as DomDocument;
  for (const element of [...document.querySelectorAll(UNSEEN)]) element.remove();
  return document;
}

function readArticle(document: DomDocument): DomNode | undefined {
  const clone = document.cloneNode(true);
  const article = new Readability(clone as never, { maxElemsToParse: 200_000 }).parse();
  // Readability drops headings and short sections: an article that lost half of the text is not trusted.
  const whole = (document.body?.textContent ?? '').replace(/\s+/g, '').length;
  const kept = (article?.textContent ?? '').replace(/\s+/g, '').length;
  if (!article?.content || kept < whole / 2) return undefined;
  return parse(`<body>${article.content}</body>`).body ?? undefined;
}

function depthOf(root: DomNode): number {
  let deepest = 0;
  const stack: [DomNode, number][] = [[root, 0]];
  for (let next = stack.pop(); next; next = stack.pop()) {
    const [node, depth] = next;
    deepest = Math.max(deepest, depth);
    if (deepest > MAX_DEPTH) break;
    for (const child of node.childNodes) stack.push([child, depth + 1]);
  }
  return deepest;
}

/** Walks without recursion, so that no nesting can overflow it. */
function walk(root: DomNode, title: string | null): Extracted {
  const builder = new TextBuilder();
  let kind: Block['kind'] = 'paragraph';
  let level: number | undefined;
  let pending = '';
  let cells: string[] | undefined;
  let preformatted = 0;

  const flush = () => {
    const text = preformatted > 0 ? pending : pending.replace(/[ \t\n]+/g, ' ').replaceAll('\u000b', '\n');
    pending = '';
    if (cells) {
      if (text.trim()) cells.push(text.trim());
    } else builder.add(kind, text, level);
  };
  const open = ({ nodeName }: DomNode) => {
    if (nodeName === 'BR') pending += preformatted > 0 ? '\n' : '\u000b';
    if (nodeName === 'IMG' || !BLOCKS.has(nodeName)) return;
    flush();
    if (/^H[1-6]$/.test(nodeName)) [kind, level] = ['heading', Number(nodeName[1])];
    if (nodeName === 'LI') kind = 'item';
    if (nodeName === 'TR') cells = [];
    if (nodeName === 'PRE') {
      preformatted++;
      kind = 'code';
    }
  };
  const close = ({ nodeName }: DomNode) => {
    if (!BLOCKS.has(nodeName)) return;
    flush();
    if (nodeName === 'TR' && cells) {
      const row = cells.join(' | ');
      cells = undefined;
      builder.add('table', row);
    }
    if (nodeName === 'PRE') preformatted--;
    if (/^(H[1-6]|LI|PRE)$/.test(nodeName)) [kind, level] = ['paragraph', undefined];
  };

  const stack: (DomNode | { closes: DomNode })[] = [root];
  for (let next = stack.pop(); next; next = stack.pop()) {
    if ('closes' in next) {
      close(next.closes);
      continue;
    }
    if (next.nodeType === TEXT_NODE) pending += next.textContent ?? '';
    if (next.nodeType !== ELEMENT_NODE) continue;
    open(next);
    stack.push({ closes: next }, ...[...next.childNodes].reverse());
  }
  flush();
  return builder.build(title);
}
