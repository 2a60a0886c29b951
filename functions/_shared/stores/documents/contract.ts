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

interface Opened {
  store: DocumentStore;
  /** How long its outbox claims last, milliseconds. */
  claimMs: number;
  /** Makes a tenant's originals so old, milliseconds. */
  age: (tenant: string, ms: number) => Promise<void>;
  close: () => Promise<void>;
}

/** What every documents store must do. */
export function documentStoreContract(name: string, open: () => Promise<Opened>): void {
  describe(name, () => {
    let opened: Opened;
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
    originalsContract(store, (...given) => opened.age(...given));
    accessContract(store);
    deadLetterAccessContract(store);

    test('it answers a ping', () => store().ping());
  });
}
