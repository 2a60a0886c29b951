/** Markdown of so many chunks. One event holds the vectors of fewer than 30. */
export const saga = (chunks: number): string =>
  Array.from({ length: chunks }, (_, n) => `# Ship ${n}\n\nThis ship is number ${n} of the fleet.`).join(
    '\n\n',
  );
