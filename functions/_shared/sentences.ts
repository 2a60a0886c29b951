/** [start, end) in UTF-16 code units. */
export type TextRange = [start: number, end: number];

/** Words that end in a full stop without ending the sentence, lower case. */
const ABBREVIATIONS = new Set(
  (
    'mr mrs ms dr prof rev hon st sr jr gen col lt sgt capt gov sen rep pres ' +
    'vs etc e.g i.e cf al viz ca c no nos fig figs eq eqs sec ch vol vols p pp ed eds trans approx est dept univ inc ltd co corp bros ' +
    'jan feb mar apr jun jul aug sep sept oct nov dec mt ft ave blvd rd'
  ).split(' '),
);
/** `J.` in a name, `U.S.` before a noun. */
const INITIALS = /^(\p{Lu}|\p{Lu}(\.\p{Lu})+)$/u;
/** The same in a text without capitals. */
const SMALL_INITIALS = /(?<![\p{L}\p{N}])(\p{Ll}\.)+(?!\p{L})/gu;
/** A small letter after what may end a sentence. */
const SMALL_START = /(?<=[.!?]["'”’)\]]*\s+)\p{Ll}/gu;
/** A line at least this long, in code units, that ends without punctuation was wrapped by hand; a shorter one is a heading or a cell. */
const WRAPPED_LINE = 40;
/** Code units before a possible end that say whether it is one: the last word, which is short where it matters. */
const LOOK_BACK = 64;
const LIST_ITEM = /^[ \t]*([-*+•‣|>#]|\d{1,3}[.)])[ \t]/;
const LAST_WORD = /([\p{L}\p{N}.]+)\.["'”’)\]]*\s*$/u;
const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' });

/**
 * The sentences of a text as ranges that together cover it: each runs to the start of the next. Unicode's rules
 * (UAX #29, by Intl.Segmenter) with three corrections: no break after abbreviations and initials, none before a
 * lower-case letter where the text has capitals, and none where a line was wrapped by hand. Blank lines, headings and
 * list items always break.
 */
export function sentenceRanges(text: string): TextRange[] {
  const ranges: TextRange[] = [];
  const readable = capitalise(unwrapLines(text));
  for (const { segment, index } of segmenter.segment(readable)) {
    const last = ranges.at(-1);
    if (
      last &&
      (segment.trim() === '' ||
        continues(readable.slice(Math.max(last[0], last[1] - LOOK_BACK), last[1]), segment))
    ) {
      last[1] = index + segment.length;
    } else ranges.push([index, index + segment.length]);
  }
  return ranges;
}

/** The range without the white space at its ends. */
export function trimRange(text: string, [start, end]: TextRange): TextRange {
  const part = text.slice(start, end);
  return [start + part.length - part.trimStart().length, end - (part.length - part.trimEnd().length)];
}

/**
 * Where nothing has a capital, small letters begin sentences too: they get one, and so do initials. Every position stays
 * where it was.
 */
function capitalise(text: string): string {
  if (/\p{Lu}/u.test(text)) return text;
  const upper = (letters: string) => {
    const capitals = letters.toUpperCase();
    return capitals.length === letters.length ? capitals : letters;
  };
  return text.replace(SMALL_START, upper).replace(SMALL_INITIALS, upper);
}

/** Line breaks inside a sentence become spaces; every position stays where it was. */
function unwrapLines(text: string): string {
  if (!text.includes('\n')) return text;
  const lines = text.split('\n');
  let result = '';
  lines.forEach((line, index) => {
    result += line;
    const next = lines[index + 1];
    if (next === undefined) return;
    const isWrapped =
      line.trim().length >= WRAPPED_LINE &&
      next.trim() !== '' &&
      !LIST_ITEM.test(next) &&
      !LIST_ITEM.test(line);
    // A carriage return would break the sentence as well.
    if (isWrapped && result.endsWith('\r')) result = `${result.slice(0, -1)} `;
    result += isWrapped ? ' ' : '\n';
  });
  return result;
}

function continues(before: string, after: string): boolean {
  if (/\n\s*$/.test(before)) return false;
  if (/^\p{Ll}/u.test(after)) return true;
  const word = LAST_WORD.exec(before)?.[1];
  if (word === undefined) return false;
  return ABBREVIATIONS.has(word.toLowerCase()) || INITIALS.test(word);
}
