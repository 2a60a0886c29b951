/** Urgent runs that may go before a waiting other one. */
const MAX_OVERTAKES = 16;

/** What waits for its turn: urgent work first, but not for ever. */
export interface Lanes<T> {
  add(item: T, urgent: boolean): void;
  /** The next, or undefined when nothing waits. */
  take(): T | undefined;
}

export function createLanes<T>(): Lanes<T> {
  const urgent: T[] = [];
  const bulk: T[] = [];
  let overtakes = 0;
  return {
    add(item, isUrgent) {
      (isUrgent ? urgent : bulk).push(item);
    },
    take() {
      const bulkIsDue = urgent.length === 0 || (bulk.length > 0 && overtakes >= MAX_OVERTAKES);
      overtakes = bulkIsDue || bulk.length === 0 ? 0 : overtakes + 1;
      return bulkIsDue ? bulk.shift() : urgent.shift();
    },
  };
}
