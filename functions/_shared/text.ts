/** The beginning of a text, at most `length` UTF-16 code units, never half a surrogate pair. */
export function cutText(text: string, length: number): string {
  const cut = text.slice(0, length);
  return text.length > length ? cut.replace(/[\ud800-\udbff]$/, '') : cut;
}
