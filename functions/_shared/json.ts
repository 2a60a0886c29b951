import { KnarrError } from './errors.ts';

/** Deepest nesting accepted: well above any real document or filter, far below what overflows a recursive reader. */
const MAX_DEPTH = 64;

/**
 * JSON.parse for strangers' input. Throws `invalid_request` for what is not JSON, for nesting deeper than 64 and for
 * keys through which a later merge could reach a prototype (`__proto__`, `constructor.prototype`). Of a key given twice
 * the last value counts, as everywhere in JavaScript.
 */
export function parseJson(text: string): unknown {
  // A nesting that deep, closed again, takes more than twice as many characters.
  if (text.length > 2 * MAX_DEPTH && survey(text).depth > MAX_DEPTH) {
    throw new KnarrError('invalid_request', `The JSON is nested deeper than ${MAX_DEPTH} levels.`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new KnarrError('invalid_request', 'The body is not valid JSON.', { cause });
  }
  // An escaped spelling such as "\u005f_proto__" is rare enough to look for it the slow way.
  const isSuspicious = text.includes('__proto__') || text.includes('prototype') || text.includes('\\u');
  if (isSuspicious && reachesPrototype(value)) {
    throw new KnarrError(
      'invalid_request',
      'The keys "__proto__" and "constructor.prototype" are not accepted.',
    );
  }
  return value;
}

/** Members of the object whose JSON `text` is, repeated ones too: `JSON.parse` keeps only the last of those. */
export const countMembers = (text: string): number => survey(text).members;

/** How deep JSON is nested, and how many members its outermost object has. */
function survey(text: string): { depth: number; members: number } {
  let members = 0;
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (quoted) {
      if (code === 0x5c) i++;
      else if (code === 0x22) quoted = false;
    } else if (code === 0x22) quoted = true;
    else if (code === 0x7b || code === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (code === 0x7d || code === 0x5d) depth--;
    else if (code === 0x3a && depth === 1) members++;
  }
  return { depth: deepest, members };
}

function reachesPrototype(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(reachesPrototype);
  return Object.entries(value).some(
    ([key, member]) =>
      key === '__proto__' ||
      (key === 'constructor' && typeof member === 'object' && member !== null && 'prototype' in member) ||
      reachesPrototype(member),
  );
}
