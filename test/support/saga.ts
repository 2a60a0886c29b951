/** Markdown of so many sections, each a chunk. One event holds the vectors of fewer than 30. */
export const saga = (sections: number): string =>
  Array.from(
    { length: sections },
    (_, n) => `# Ship ${n}\n\n${`The ship with the number ${n} carried wool, fish and iron. `.repeat(12)}`,
  ).join('\n\n');
