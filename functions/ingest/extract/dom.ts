import { parseHTML } from 'linkedom';
import { KnarrError } from '../../_shared/errors.ts';

/** The part of the DOM that is read; linkedom's own types need the browser's. */
export interface DomNode {
  nodeType: number;
  nodeName: string;
  textContent: string | null;
  childNodes: Iterable<DomNode>;
}
export interface DomDocument extends DomNode {
  title: string;
  body: DomNode | null;
  cloneNode(deep: boolean): DomDocument;
  querySelector(selector: string): DomNode | null;
  querySelectorAll(selector: string): Iterable<DomNode & { remove(): void }>;
}
export const TEXT_NODE = 3;
export const ELEMENT_NODE = 1;

/** Holds nothing of what a page says. */
const UNSEEN =
  'script, style, noscript, template, iframe, object, svg, select, nav, [role=navigation], head > :not(title)';
/** Elements that are open at once: the parser's time grows with the square of their number. */
const MAX_DEPTH = 10_000;
/** Elements without content, and those that the next of their kind closes. */
const NOT_NESTED = new Set(
  'area base br col embed hr img input link meta param source track wbr p li dt dd option tr td th'.split(
    ' ',
  ),
);

/** The document of an HTML source, a whole page or a part of one. Throws `unprocessable` for what is nested without end. */
export function parseDom(source: string): DomDocument {
  checkDepth(source);
  // A part of a page has no place where a body could be found.
  const whole = /<html[\s>]/i.test(source) ? source : `<!doctype html><html><body>${source}</body></html>`;
  const document = parseHTML(whole).document as unknown as DomDocument;
  for (const element of [...document.querySelectorAll(UNSEEN)]) element.remove();
  return document;
}

function checkDepth(source: string): void {
  let depth = 0;
  for (const [, slash, name = ''] of source.matchAll(/<(\/?)([a-z][a-z0-9-]*)/gi)) {
    if (NOT_NESTED.has(name.toLowerCase())) continue;
    depth = Math.max(0, depth + (slash ? -1 : 1));
    if (depth > MAX_DEPTH)
      throw new KnarrError('unprocessable', `The page nests more than ${MAX_DEPTH} elements.`);
  }
}

/** A root and every node below it with its depth, in document order, without recursion; nothing below a `leaf`. */
export function* nodesOf(
  root: DomNode,
  isLeaf: (node: DomNode) => boolean = () => false,
): Generator<[node: DomNode, depth: number]> {
  const stack: [DomNode, number][] = [[root, 0]];
  for (let next = stack.pop(); next; next = stack.pop()) {
    const [node, depth] = next;
    yield next;
    if (isLeaf(node)) continue;
    const children = [...node.childNodes];
    for (let index = children.length - 1; index >= 0; index--) {
      stack.push([children[index] as DomNode, depth + 1]);
    }
  }
}
