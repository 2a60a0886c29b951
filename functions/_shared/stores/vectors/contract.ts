import { afterAll, beforeAll, describe } from 'vitest';
import { accessContract } from './contract/access.ts';
import { filtersContract } from './contract/filters.ts';
import { pointsContract } from './contract/points.ts';
import { recallContract } from './contract/recall.ts';
import { refusalsContract } from './contract/refusals.ts';
import { searchContract } from './contract/search.ts';
import { statisticsContract } from './contract/statistics.ts';
import { writesContract } from './contract/writes.ts';
import type { VectorStore } from './port.ts';

/**
 * What every vector store must do. `open` gives an empty store; `dimensions` is the length of the random vectors whose
 * neighbours it must find: what quantises coarsely is for long ones.
 */
export function vectorStoreContract(
  name: string,
  open: () => Promise<{ store: VectorStore; close: () => Promise<void> }>,
  { dimensions = 32 } = {},
): void {
  describe(`vector store contract: ${name}`, () => {
    let opened: Awaited<ReturnType<typeof open>>;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened?.close());
    const store = () => opened.store;

    searchContract(store);
    statisticsContract(store);
    writesContract(store);
    accessContract(store);
    filtersContract(store);
    pointsContract(store);
    refusalsContract(store);
    recallContract(store, dimensions);
  });
}
