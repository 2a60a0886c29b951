/** Colours and cursor movements that terminals write into logs (ECMA-48 control sequences). */
const TERMINAL_SEQUENCES = /\u001b\[[0-?]*[ -/]*[@-~]/g;

/**
 * Characters that a reader cannot see but a model can: controls, soft hyphens, zero-width spaces, directional marks and
 * overrides, fillers, tags, byte order marks. Not what may shape its neighbours, see below.
 */
const INVISIBLE =
  /[\p{Cc}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\ufff9-\ufffb](?<![\t\n\p{Join_Control}\p{Variation_Selector}])/gu;

/** Joiners where nothing is joined: they shape emoji and the scripts named here, elsewhere they only hide. */
const IDLE_JOINERS =
  /(?<![\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}\p{sc=Arab}\p{sc=Syrc}\p{sc=Mong}\p{sc=Deva}\p{sc=Beng}\p{sc=Guru}\p{sc=Gujr}\p{sc=Orya}\p{sc=Taml}\p{sc=Telu}\p{sc=Knda}\p{sc=Mlym}\p{sc=Sinh}\p{sc=Khmr}\p{sc=Mymr}\p{sc=Tibt}])\p{Join_Control}+/gu;

/** Variation selectors that vary nothing: after another one, white space or a Latin letter. Runs of them carry hidden bytes. */
const IDLE_SELECTORS = /(?<=^|[\s\p{sc=Latn}\p{Variation_Selector}])\p{Variation_Selector}+/gu;

/** Line ends as \n, form feeds and paragraph separators as blank lines, nothing invisible, no lone surrogates. */
export function cleanText(text: string): string {
  return text
    .replace(/\r\n?|[\u000b\u0085\u2028]/g, '\n')
    .replace(/[\f\u2029]/g, '\n\n')
    .replace(TERMINAL_SEQUENCES, '')
    .replace(INVISIBLE, '')
    .replace(IDLE_SELECTORS, '')
    .replace(IDLE_JOINERS, '')
    .replace(/\p{Cs}/gu, '\ufffd');
}

/** A clean text on one line. */
export const cleanLine = (text: string): string => cleanText(text).replace(/\s+/g, ' ').trim();
