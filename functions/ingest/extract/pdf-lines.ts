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

/** The pages without running titles and page numbers, which would tear sentences apart that go over the page. */
export function withoutRunningLines(pages: readonly Line[][]): Line[][] {
  const edges = pages.map(edgeLines);
  const counts = new Map<string, number>();
  for (const lines of edges) {
    for (const key of new Set(lines.map(keyOf))) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const enough = Math.max(MIN_REPEATS, pages.length * REPEAT_SHARE);
  return pages.map((lines, page) => {
    const running = new Set(edges[page]?.filter((line) => (counts.get(keyOf(line)) ?? 0) >= enough));
    return lines.filter((line) => !running.has(line));
  });
}

function edgeLines(lines: readonly Line[]): Line[] {
  const byHeight = [...lines].sort((a, b) => b.y - a.y);
  return [...byHeight.slice(0, EDGE_LINES), ...byHeight.slice(-EDGE_LINES)];
}

/** Page numbers count on; all else of a running line stays, also its place. */
const keyOf = ({ text, y }: Line) => `${text.replace(/\d+/g, '#')} ${Math.round(y / 4)}`;
