import { Readability } from '@mozilla/readability';
import { type DomDocument, type DomNode, nodesOf, parseDom, TEXT_NODE } from './dom.ts';

/** The share of a page's prose that its main part has at least. */
const MAIN_SHARE = 0.5;
/** The share that Readability must have kept: it is there to drop menus and teasers, not sections. */
const KEPT_SHARE = 0.75;
/** Where less of the text than this is links, there are no menus and teasers to drop. */
const LINK_SHARE = 0.15;
/** Readability recurses, and copies the page: deeper and larger ones are read whole. */
const MAX_DEPTH = 512;
const MAX_NODES = 50_000;

/**
 * The part of a page that is its content: what the page itself marks as such, else the article that Readability finds,
 * else the whole body. In doubt more is kept, because what is left out cannot be found.
 */
export function contentOf(document: DomDocument): DomNode {
  const body = document.body ?? document;
  const { prose, links } = lengthsOf(body);
  const marked = markedContent(document, prose);
  if (marked || links < (prose + links) * LINK_SHARE) return marked ?? body;
  return readArticle(document, prose) ?? body;
}

function markedContent(document: DomDocument, prose: number): DomNode | undefined {
  for (const selector of ['main, [role=main]', 'article']) {
    const [only, another] = [...document.querySelectorAll(selector)];
    if (only && !another && lengthsOf(only).prose >= prose * MAIN_SHARE) return only;
  }
  return undefined;
}

function readArticle(document: DomDocument, prose: number): DomNode | undefined {
  let nodes = 0;
  for (const [, depth] of nodesOf(document)) if (++nodes > MAX_NODES || depth > MAX_DEPTH) return undefined;
  const article = new Readability(document.cloneNode(true) as never).parse();
  if (!article?.content) return undefined;
  const content = parseDom(article.content).body ?? undefined;
  return content && lengthsOf(content).prose >= prose * KEPT_SHARE ? content : undefined;
}

/** Lengths of the text outside and inside of links, white space not counted: menus and teasers are links, prose is not. */
function lengthsOf(root: DomNode): { prose: number; links: number } {
  const lengths = { prose: 0, links: 0 };
  const isLink = ({ nodeName }: DomNode) => nodeName === 'A';
  for (const [node] of nodesOf(root, isLink)) {
    const text = node.nodeType === TEXT_NODE || isLink(node) ? (node.textContent ?? '') : '';
    lengths[isLink(node) ? 'links' : 'prose'] += text.replace(/\s+/g, '').length;
  }
  return lengths;
}
