import { Readability } from '@mozilla/readability';
import { type DomDocument, type DomNode, nodesOf, parseDom, TEXT_NODE } from './dom.ts';

/** The share of a page's prose that its main part has at least. */
const MAIN_SHARE = 0.5;
/** The share that Readability must have kept: it is there to drop menus and teasers, not sections. */
const KEPT_SHARE = 0.75;
/** Readability recurses, and copies the page: deeper and larger ones are read whole. */
const MAX_DEPTH = 512;
const MAX_NODES = 100_000;

/**
 * The part of a page that is its content: what the page itself marks as such, else the article that Readability finds,
 * else the whole body. In doubt more is kept, because what is left out cannot be found.
 */
export function contentOf(document: DomDocument): DomNode {
  const body = document.body ?? document;
  const prose = proseLength(body);
  return markedContent(document, prose) ?? readArticle(document, prose) ?? body;
}

function markedContent(document: DomDocument, prose: number): DomNode | undefined {
  for (const selector of ['main, [role=main]', 'article']) {
    const [only, another] = [...document.querySelectorAll(selector)];
    if (only && !another && proseLength(only) >= prose * MAIN_SHARE) return only;
  }
  return undefined;
}

function readArticle(document: DomDocument, prose: number): DomNode | undefined {
  let nodes = 0;
  for (const [, depth] of nodesOf(document)) if (++nodes > MAX_NODES || depth > MAX_DEPTH) return undefined;
  const article = new Readability(document.cloneNode(true) as never).parse();
  if (!article?.content) return undefined;
  const content = parseDom(article.content).body ?? undefined;
  return content && proseLength(content) >= prose * KEPT_SHARE ? content : undefined;
}

/** Length of the text outside of links, white space not counted: menus and teasers are links, prose is not. */
function proseLength(root: DomNode): number {
  let length = 0;
  for (const [{ nodeType, textContent }] of nodesOf(root, ({ nodeName }) => nodeName === 'A')) {
    if (nodeType === TEXT_NODE) length += (textContent ?? '').replace(/\s+/g, '').length;
  }
  return length;
}
