import { afterAll, beforeAll, describe, test } from 'vitest';
import { acceptanceContract } from './contract/acceptance.ts';
import { accessContract } from './contract/access.ts';
import { answersContract } from './contract/answers.ts';
import { chunksContract } from './contract/chunks.ts';
import { currentContract } from './contract/current.ts';
import { deadLetterAccessContract } from './contract/dead-letter-access.ts';
import { deadLettersContract } from './contract/dead-letters.ts';
import { deletionContract } from './contract/deletion.ts';
import { idempotencyContract } from './contract/idempotency.ts';
import { lateDeadLettersContract } from './contract/late-dead-letters.ts';
import { latenessContract } from './contract/lateness.ts';
import { listContract } from './contract/list.ts';
import { originalsContract } from './contract/originals.ts';
import { outboxContract } from './contract/outbox.ts';
import { progressContract } from './contract/progress.ts';
import { rebuildingContract } from './contract/rebuilding.ts';
import { replayContract } from './contract/replay.ts';
import { stuckContract } from './contract/stuck.ts';
import type { DocumentStore } from './port.ts';

/** What every documents store must do. `open` gives a store whose outbox claims last `claimMs` milliseconds. */
export function documentStoreContract(
  name: string,
  open: () => Promise<{ store: DocumentStore; claimMs: number; close: () => Promise<void> }>,
): void {
  describe(name, () => {
    let opened: Awaited<ReturnType<typeof open>>;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened?.close());
    const store = () => opened.store;

    acceptanceContract(store);
    idempotencyContract(store);
    deletionContract(store);
    progressContract(store);
    chunksContract(store);
    currentContract(store);
    listContract(store);
    outboxContract(store, () => opened.claimMs);
    deadLettersContract(store);
    answersContract(store);
    stuckContract(store);
    rebuildingContract(store);
    replayContract(store);
    lateDeadLettersContract(store);
    latenessContract(store);
    originalsContract(store);
    accessContract(store);
    deadLetterAccessContract(store);

    test('it answers a ping', () => store().ping());
  });
}
