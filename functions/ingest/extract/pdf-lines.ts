/** A line of text on a page. */
export interface Line {
  text: string;
  /** Height of the glyphs, and where the line begins, in points; y grows upwards. */
  height: number;
  x: number;
  y: number;
  page: number;
}

/** Lines at a page's head and foot that may be running titles and page numbers. */
const EDGE_LINES = 2;
/** A line repeats when it stands on as many pages, and on this share of them: left and right pages may differ. */
const MIN_REPEATS = 3;
const REPEAT_SHARE = 0.3;

/**
 * The pages without page numbers and repetitions of running titles, which would tear sentences apart that go over the
 * page. Of a title its first appearance stays, so that nothing is lost.
 */
export function withoutRunningLines(pages: readonly Line[][]): Line[][] {
  const edges = pages.map(edgeLines);
  const counts = new Map<string, number>();
  for (const lines of edges) {
    for (const key of new Set(lines.flatMap(keysOf))) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const enough = Math.max(MIN_REPEATS, pages.length * REPEAT_SHARE);
  const seen = new Set<string>();
  return pages.map((lines, page) => {
    const running = new Set<Line>();
    for (const line of edges[page] ?? []) {
      const keys = keysOf(line).filter((key) => (counts.get(key) ?? 0) >= enough);
      const isFirst = /\p{L}/u.test(line.text) && !keys.some((key) => seen.has(key));
      if (keys.length > 0 && !isFirst) running.add(line);
      for (const key of keys) seen.add(key);
    }
    return lines.filter((line) => !running.has(line));
  });
}

function edgeLines(lines: readonly Line[]): Line[] {
  const byHeight = [...lines].sort((a, b) => b.y - a.y);
  return [...new Set([...byHeight.slice(0, EDGE_LINES), ...byHeight.slice(-EDGE_LINES)])];
}

/**
 * What stays the same of a running line from page to page: its place, its words, and how far its number is from that of
 * the page. Other numbers that change are content, such as those of forms.
 */
function keysOf({ text, y, page }: Line): string[] {
  const place = Math.round(y / 4);
  const byPage = (digits: string) => `#${Number(digits) - page}`;
  const variants = [text, text.replace(/\d+/, byPage), text.replace(/\d+(?=\D*$)/, byPage)];
  return [...new Set(variants)].map((variant) => `${place} ${variant}`);
}
