/** Scripts that put no spaces between words; a piece at a time, since each segment of Intl.Segmenter holds a copy of its whole input. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]{1,200}/gu;
const LATIN_ACCENT = /(?<=\p{Script=Latin}\p{M}{0,4})\p{M}/gu;
const THOUSANDS = /(?<=\d),(?=\d{3}(?!\d))/g;
/** All that is no part of a word; a full stop stays between digits. */
const BETWEEN_WORDS = /(?:[^\p{L}\p{N}\p{M}.]|(?<!\d)\.|\.(?!\d))+/gu;

const words = new Intl.Segmenter('zh', { granularity: 'word' });

/**
 * A text as the lexical side reads it, questions and chunks alike: words with single spaces between them. So the parts
 * of *boundary-layer*, *input/output* and *1066–1087* are words of their own and each counts once, *Hervé* is *Herve*,
 * 1,066 is 1066, and Chinese, Japanese, Thai, Lao, Khmer and Burmese have words at all.
 */
export function lexicalText(text: string): string {
  return text
    .normalize('NFD')
    .replace(LATIN_ACCENT, '')
    .normalize('NFC')
    .replace(THOUSANDS, '')
    .replace(UNSPACED, (run) => ` ${[...words.segment(run)].map(({ segment }) => segment).join(' ')} `)
    .replace(BETWEEN_WORDS, ' ')
    .trim();
}
