/** English words that carry no topic. A question in another language keeps all of its words, weighted by rarity alone. */
const STOP_WORDS = new Set(
  (
    'a an the this that these those there here it its he him his she her hers they them their theirs we us our i me my you your ' +
    'am is are was were be been being do does did done doing have has had having will would shall should can could may might must ' +
    'of in on at by for with from to into onto upon about as than then and or but nor not no so if because while during before after ' +
    'between among through over under above below out off up down again also too very just only such same own other another each every any some ' +
    'both more most much many few all what which who whom whose when where why how s t d ll re ve name named call called kind type'
  ).split(' '),
);

const WORD = /[\p{L}\p{N}]+(?:[.,]\p{N}+)*/gu;

/** A word as it is compared. */
export interface Word {
  /** Stem without case, accents and ending. */
  stem: string;
  isNumber: boolean;
  /** Written with a capital that does not begin the text. */
  isName: boolean;
}

/** The words of a text that say what it is about, in order, repeats kept. */
export function contentWords(text: string): Word[] {
  const words: Word[] = [];
  for (const match of text.matchAll(WORD)) {
    const lower = match[0].normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
    if (STOP_WORDS.has(lower)) continue;
    const isNumber = /\p{N}/u.test(lower);
    const isName = match.index > 0 && !isNumber && /^\p{Lu}/u.test(match[0]);
    words.push({ stem: isNumber ? lower.replaceAll(',', '') : stem(lower), isNumber, isName });
  }
  return words;
}

/** Endings with the least stem each may leave, longest first. */
const ENDINGS: [ending: string, rest: number, replacement: string][] = [
  ['ations', 4, ''],
  ['ation', 4, ''],
  ['ments', 4, ''],
  ['ment', 4, ''],
  ['ings', 3, ''],
  ['ies', 2, 'y'],
  ['ing', 3, ''],
  ['ers', 4, ''],
  ['ors', 4, ''],
  ['ion', 4, ''],
  ['ed', 3, ''],
  ['es', 3, ''],
  ['er', 4, ''],
  ['or', 4, ''],
  ['al', 4, ''],
  ['ly', 4, ''],
  ['s', 3, ''],
  ['e', 3, ''],
];

/**
 * A light stemmer for English: strips one inflection or common derivation, so that *conquered*, *conquering* and
 * *conqueror* meet. Coarser than Porter's where it errs; both sides go through the same.
 */
export function stem(word: string): string {
  let result = word;
  for (const [ending, rest, replacement] of ENDINGS) {
    if (!word.endsWith(ending) || word.length - ending.length < rest) continue;
    if (ending === 's' && word.endsWith('ss')) continue;
    result = word.slice(0, word.length - ending.length) + replacement;
    break;
  }
  if (result.endsWith('e') && result.length > 4) result = result.slice(0, -1);
  // *stopped*, *stopping* → *stop*
  if (/([bdfgmnprt])\1$/.test(result) && result.length > 4) result = result.slice(0, -1);
  return result.endsWith('i') && result.length > 3 ? `${result.slice(0, -1)}y` : result;
}

/** Rarity of each stem among the sentences given: BM25's idf, ln(1 + (N − n + ½)/(n + ½)); a stem in none of them gets the most. */
export function rarity(sentences: readonly ReadonlySet<string>[]): (stem: string) => number {
  const counts = new Map<string, number>();
  for (const stems of sentences) for (const one of stems) counts.set(one, (counts.get(one) ?? 0) + 1);
  return (one) => {
    const count = counts.get(one) ?? 0;
    return Math.log(1 + (sentences.length - count + 0.5) / (count + 0.5));
  };
}
