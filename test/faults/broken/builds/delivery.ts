import type { BrokenBuild } from '../build.ts';

/** Events may be lost, repeated, late, or fail. */
export const DELIVERY: readonly BrokenBuild[] = [
  {
    name: 'sweep-off',
    edits: [
      {
        file: 'functions/_shared/stores/documents/sweep.ts',
        from: '(table overtaken union table foremost union table undeleted)',
        to: '(select tenant, document, version from due where false)',
      },
    ],
    caughtBy: { scenario: 'broker-wiped', sees: ['missing'] },
    proves: 'what the broker forgets has to be sent off again',
  },
  {
    name: 'lost-events-stay-lost',
    edits: [
      {
        file: 'functions/_shared/stores/documents/sweep.ts',
        from: 'await send(tx, again);',
        to: 'await send(tx, []);',
      },
    ],
    caughtBy: { scenario: 'broker-loses', scale: 1, sees: ['missing', 'failed', 'phantom'] },
    proves: 'a version whose event was lost does not end by itself',
  },
  {
    name: 'deletions-not-sent-again',
    edits: [
      {
        file: 'functions/_shared/stores/documents/sweep.ts',
        from: ' union table undeleted)',
        to: ')',
      },
    ],
    caughtBy: { scenario: 'broker-wiped', sees: ['phantom'] },
    proves: 'points of what was deleted leave the vector store, though the event of the deletion is lost',
  },
  {
    name: 'redriven-for-ever',
    edits: [
      {
        file: 'functions/_shared/stores/documents/sweep.ts',
        from: "state === 'deleted' || redrives < attempts",
        to: "state !== 'superseded' || redrives < attempts",
      },
    ],
    caughtBy: {
      file: 'functions/_shared/stores/documents/open.test.ts',
      test: 'is sent off again, a number of times, and is then without hope',
    },
    proves: 'what was sent off often enough in vain ends',
  },
  {
    name: 'acknowledged-before-published',
    edits: [
      {
        file: 'functions/_shared/outbox.ts',
        from: '        for (const entry of entries) begin(entry);\n',
        to: '        await documents.ackOutbox(entries.map(({ id }) => id));\n        for (const entry of entries) begin(entry);\n',
      },
    ],
    caughtBy: {
      file: 'functions/_shared/outbox.test.ts',
      test: 'stops while the broker does not answer',
    },
    proves: 'an event leaves the outbox when the broker has taken it, and not before',
  },
  {
    name: 'dead-letter-without-reason',
    edits: [
      {
        file: 'functions/recover/dead-letters.ts',
        from: 'await documents.fail(ref, { code, message });',
        to: "await documents.fail(ref, { code, message: '' });",
      },
    ],
    caughtBy: { scenario: 'poison', sees: /with the reason/ },
    proves: 'a document that failed says why',
  },
  {
    name: 'replay-reopens-nothing',
    edits: [
      {
        file: 'functions/_shared/stores/documents/replay.ts',
        from: "      state: 'accepted',\n      error_code: null,",
        to: "      state: 'dead_lettered',\n      error_code: null,",
      },
    ],
    caughtBy: { scenario: 'poison', sees: /after the replay/ },
    proves: 'a dead letter that is replayed after a fix ends as any other',
  },
  {
    name: 'replay-revives-what-was-replaced',
    edits: [
      {
        file: 'functions/_shared/stores/documents/dead-letters.ts',
        from: 'headOf(db, tenant, subject).forUpdate()',
        to: 'headOf(db, tenant, subject)',
      },
    ],
    caughtBy: {
      file: 'functions/_shared/stores/documents/open.test.ts',
      test: 'replayed while its document is being replaced, opens nothing',
    },
    proves: 'a replay that meets an update does not bring the older version back',
  },
  {
    name: 'lost-dead-letters-end-nothing',
    edits: [
      {
        file: 'functions/_shared/stores/documents/sweep.ts',
        from: '(table overtaken union table foremost union table undeleted)',
        to: '(table undeleted)',
      },
    ],
    caughtBy: { scenario: 'dead-letters-lost', sees: /dead letters for/ },
    proves: 'a dead letter that the broker drops is made again',
  },
  {
    name: 'retry-holds-its-place',
    edits: [
      {
        file: 'functions/_local/broker/queue.ts',
        from: '      await this.#acquire();\n',
        to: '      if (retry === 0) await this.#acquire();\n',
      },
      {
        file: 'functions/_local/broker/queue.ts',
        from: '      } finally {\n        this.#release();\n      }\n      if (',
        to: '      } finally {\n      }\n      const isLast = ',
      },
      {
        file: 'functions/_local/broker/queue.ts',
        from: ' || signal.aborted) return result;\n',
        to: ' || signal.aborted;\n      if (isLast) this.#release();\n      if (isLast) return result;\n',
      },
    ],
    caughtBy: {
      file: 'functions/_local/broker/delivery.test.ts',
      test: 'a retry that waits does not hold up what is behind it',
    },
    proves: 'one bad event does not hold up those behind it',
  },
  {
    name: 'queue-without-end',
    edits: [
      {
        file: 'functions/_local/broker/queue.ts',
        from: 'this.stats.waiting < limits.events &&',
        to: 'this.stats.waiting >= 0 &&',
      },
    ],
    caughtBy: {
      file: 'functions/_local/broker/broker.test.ts',
      test: 'a full queue holds producers back, then turns them away; other Triggers go on',
      sees: /AssertionError|timed out/,
    },
    proves: 'a consumer that is too slow does not fill the memory',
  },
  {
    name: 'a-queue-counts-as-lost',
    edits: [
      {
        file: 'functions/_shared/stores/documents/sweep.ts',
        from: 'where sent_at is null\n',
        to: 'where true\n',
      },
    ],
    caughtBy: {
      file: 'functions/_shared/stores/documents/open.test.ts',
      test: 'is not what waits its turn in the Broker: only what was overtaken, or is foremost',
    },
    proves: 'a backlog in the Broker is not sent into it once more',
  },
  {
    name: 'late-copies-are-read',
    edits: [
      {
        file: 'functions/ingest/handler.ts',
        from: " || (record.state === 'indexed' && !again)",
        to: '',
      },
    ],
    caughtBy: {
      file: 'functions/ingest/handler.test.ts',
      test: 'a late copy of the event of an indexed version is dropped, unless it is asked for again',
    },
    proves: 'a copy of an event costs no second reading',
  },
  {
    name: 'bulk-loads-go-first',
    edits: [
      {
        file: 'functions/_shared/stores/documents/claims.ts',
        from: 'order by share, turn limit $1)',
        to: 'order by turn limit $1)',
      },
    ],
    caughtBy: {
      file: 'functions/_shared/stores/documents/open.test.ts',
      test: 'the tenant with the fewest documents under way is next',
    },
    proves: "one tenant's bulk load holds up no other's update",
  },
  {
    name: 'turn-lost-by-a-change',
    edits: [
      {
        file: 'functions/_shared/stores/documents/accept.ts',
        from: 'await putOutbox(db, tenant, event, { traceparent, turn });',
        to: 'await putOutbox(db, tenant, event, { traceparent });',
      },
    ],
    caughtBy: {
      file: 'functions/_shared/stores/documents/open.test.ts',
      test: 'a document that is replaced while it waits keeps its turn',
    },
    proves: 'a document that changes all the time is read some time',
  },
  {
    name: 'turn-taken-twice',
    edits: [
      {
        file: 'functions/_shared/stores/documents/accept.ts',
        from: 'returning case when',
        to: 'returning case when true or',
      },
    ],
    caughtBy: {
      file: 'functions/_shared/stores/documents/open.test.ts',
      test: 'a document that is replaced while it is being sent has had its turn',
    },
    proves: 'a document that changes all the time keeps no other from its turn',
  },
  {
    name: 'late-tenants-wait-for-ever',
    edits: [
      {
        file: 'functions/_shared/stores/documents/claims.ts',
        from: "lastTenant = tenants.length === tenantsAtOnce ? (tenants.at(-1) ?? '') : '';",
        to: "lastTenant = '';",
      },
    ],
    caughtBy: {
      file: 'functions/_shared/stores/documents/open.test.ts',
      test: 'more tenants than one claim looks at take turns, too',
    },
    proves: 'every tenant gets its turn, however many there are',
  },
  {
    name: 'late-letter-ends-a-replayed-version',
    edits: [
      {
        file: 'functions/_shared/stores/documents/dead-letters.ts',
        from: 'if (await isReplayed(db, letter)) return false;',
        to: '',
      },
    ],
    caughtBy: {
      file: 'functions/recover/handler.test.ts',
      test: 'delivered again after its replay it ends nothing: the version is open again',
    },
    proves: 'what was replayed is not ended by the letter of before',
  },
  {
    name: 'innocent-document-blamed',
    edits: [
      {
        file: 'functions/ingest/parser/parser.ts',
        from: 'if (!used?.hasFailed() || signal.aborted) throw thrown;',
        to: 'throw thrown;',
      },
    ],
    caughtBy: {
      file: 'functions/ingest/parser/parser.test.ts',
      test: 'a library throws, while a document is read or later: no other is blamed',
    },
    proves: 'a document is not blamed for what the one before it did',
  },
];
