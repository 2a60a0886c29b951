import { KnarrError } from './errors.ts';

/** Deepest nesting accepted: well above any real document or filter, far below what overflows a recursive reader. */
const MAX_DEPTH = 64;

/**
 * JSON.parse for strangers' input. Throws `invalid_request` for what is not JSON, for nesting deeper than 64 and for
 * keys named `__proto__`, which a later merge could turn into a prototype.
 */
export function parseJson(text: string): unknown {
  if (nesting(text) > MAX_DEPTH) {
    throw new KnarrError('invalid_request', `The JSON is nested deeper than ${MAX_DEPTH} levels.`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new KnarrError('invalid_request', 'The body is not valid JSON.', { cause });
  }
  // An escaped spelling such as "\u005f_proto__" is rare enough to look for it the slow way.
  if ((text.includes('__proto__') || text.includes('\\u')) && hasPrototypeKey(value)) {
    throw new KnarrError('invalid_request', 'The key "__proto__" is not accepted.');
  }
  return value;
}

function nesting(text: string): number {
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
  }
  return deepest;
}

function hasPrototypeKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (!Array.isArray(value) && Object.hasOwn(value, '__proto__')) return true;
  return Object.values(value).some(hasPrototypeKey);
}
