import type { BrokenBuild } from '../build.ts';

/** What was accepted is kept, and ends once. */
export const LEDGER: readonly BrokenBuild[] = [
  {
    name: 'answers-before-commit',
    edits: [
      {
        file: 'functions/_shared/stores/documents/accept.ts',
        from: '      return database.transaction(async (tx) => {\n        const db = tx.kysely<Tables>();\n        if (key',
        to: '      return new Promise((answer, refuse) => void database.transaction(async (tx) => {\n        const db = tx.kysely<Tables>();\n        if (key',
      },
      {
        file: 'functions/_shared/stores/documents/accept.ts',
        from: '        return accepted;\n      });\n',
        to: '        answer(accepted);\n        await new Promise((go) => setTimeout(go, 200));\n        return accepted;\n      }).then(answer, refuse));\n',
      },
    ],
    caughtBy: { scenario: 'kill-at-random', sees: ['missing', 'mismatch', 'phantom'] },
    proves: 'a process that dies between its answer and its commit has broken a promise',
  },
  {
    name: 'nothing-left-over-is-taken-up',
    edits: [
      {
        file: 'functions/_local/broker/broker.ts',
        from: 'setTimeout(() => stop.abort(), drainMs)',
        to: 'setTimeout(() => stop.abort(), 0)',
      },
      {
        file: 'functions/_local/run/pipeline.ts',
        from: '    await parts.documents.requeueUnfinished();\n',
        to: '',
      },
      {
        file: 'functions/_shared/stores/documents/sweep.ts',
        from: '(table overtaken union table foremost union table undeleted)',
        to: '(select tenant, document, version from due where false)',
      },
    ],
    caughtBy: { scenario: 'rolling-restarts', sees: ['missing', 'phantom'] },
    proves: 'what a restart leaves half done has to be taken up by the next start or the sweep',
  },
  {
    name: 'repeat-accepted-again',
    edits: [
      {
        file: 'functions/_shared/stores/documents/accept.ts',
        from: '          if (earlier) return earlier;\n',
        to: '',
      },
      {
        file: 'functions/_shared/stores/documents/accept.ts',
        from: 'if (head.fingerprint !== print ||',
        to: 'if (head.version > 0 ||',
      },
    ],
    caughtBy: { scenario: 'kill-at-boundaries', sees: ['phantom'] },
    proves: 'a request that is repeated because its answer was lost is accepted once',
  },
  {
    name: 'superseded-versions-go-on',
    edits: [
      {
        file: 'functions/ingest/handler.ts',
        from: 'if (CLOSED.includes(record.state) || ',
        to: 'if (',
      },
      {
        file: 'functions/_shared/stores/documents/chunks.ts',
        from: 'if (state === undefined || CLOSED.includes(state)) return false;',
        to: 'if (state === undefined) return false;',
      },
      {
        file: 'functions/_shared/stores/documents/chunks.ts',
        from: 'and d.head = v.version\n     where v.tenant = $1 and v.document',
        to: '\n     where v.tenant = $1 and v.document',
      },
    ],
    caughtBy: {
      file: 'functions/_shared/stores/documents/open.test.ts',
      test: 'an ended version takes no more work',
    },
    proves: 'a late event of an older version takes nothing back',
  },
  {
    name: 'tombstone-ignored',
    edits: [
      {
        file: 'functions/_shared/stores/documents/accept.ts',
        from: '        const version = await writeTombstone(db, tenant, document, head.version);\n',
        to: '        const version = head.version;\n',
      },
    ],
    caughtBy: {
      scenario: 'out-of-order',
      sees: ['missing', 'phantom', 'resurrected', 'mismatch', 'duplicate'],
    },
    proves: 'a deletion is a version of its own',
  },
  {
    name: 'replaced-text-still-found',
    edits: [
      {
        file: 'functions/_shared/stores/documents/row-security.ts',
        from: ' and d.head = h.version',
        to: '',
      },
      {
        file: 'functions/_shared/stores/documents/row-security.ts',
        from: "\n      and v.state = 'indexed' and",
        to: '\n      and',
      },
      {
        file: 'functions/_shared/stores/documents/accept.ts',
        from: "  await db\n    .deleteFrom('chunks')",
        to: "  if (version < 0) await db\n    .deleteFrom('chunks')",
      },
    ],
    caughtBy: { scenario: 'delivered-five-times', sees: ['resurrected'] },
    proves: 'from the answer on, what was replaced is found no more, while the vector store lags',
  },
  {
    name: 'older-points-stay',
    edits: [
      {
        file: 'functions/index/handler.ts',
        from: '  await deps.vectors.remove(tenant, document, version, context);\n  const completed',
        to: '  const completed',
      },
    ],
    caughtBy: { scenario: 'delivered-five-times', sees: ['phantom'] },
    proves: 'a version is called indexed when the points of older ones are gone',
  },
  {
    name: 'random-point-ids',
    edits: [
      {
        file: 'functions/index/handler.ts',
        from: 'id: pointId(tenant, document, version, chunk, generation),',
        to: 'id: crypto.randomUUID(),',
      },
    ],
    caughtBy: { scenario: 'delivered-five-times', sees: ['duplicate'] },
    proves: 'writing twice is writing once',
  },
  {
    name: 'comparison-blind-to-phantoms',
    edits: [{ file: 'functions/recover/reconcile.ts', from: "return 'phantom';", to: 'return undefined;' }],
    caughtBy: { scenario: 'restored', store: 'postgres', sees: ['phantom'] },
    proves: 'the oracle counts points for itself, and does not believe the comparison',
  },
  {
    name: 'comparison-repairs-nothing',
    edits: [
      {
        file: 'functions/recover/reconcile.ts',
        from: '    if (repair) await documents.redrive(distinct(lost',
        to: '    if (repair && drift.chunks < 0) await documents.redrive(distinct(lost',
      },
    ],
    caughtBy: { scenario: 'restored', store: 'postgres', sees: ['missing'] },
    proves: 'points that a restored vector store lacks are made again',
  },
  {
    name: 'comparison-always-from-the-start',
    edits: [
      {
        file: 'functions/recover/upkeep.ts',
        from: 'compare(work, { repair: true, cursor, pageSize: pace.pageSize })',
        to: 'compare(work, { repair: true, cursor: cursor && undefined, pageSize: pace.pageSize })',
      },
    ],
    caughtBy: {
      file: 'functions/recover/upkeep.test.ts',
      test: 'ticks go on where the one before stopped, repair everything, and begin anew after the end',
    },
    proves: 'a store that is too large for one tick is compared to its end',
  },
  {
    name: 'rebuild-left-half-done',
    edits: [
      {
        file: 'functions/recover/upkeep.ts',
        from: 'if (!begin) await rebuildOn(',
        to: 'if (begin) await rebuildOn(',
      },
    ],
    caughtBy: {
      file: 'functions/recover/upkeep.test.ts',
      test: 'a rebuild that nobody goes on with is ended by ticks',
    },
    proves: 'a rebuild whose process died is ended by a timer',
  },
  {
    name: 'rebuild-begun-unsaid',
    edits: [
      {
        file: 'functions/_shared/stores/documents/versions.ts',
        from: ' and r.moves)',
        to: ' and not r.moves)',
      },
    ],
    caughtBy: {
      file: 'functions/_shared/stores/documents/open.test.ts',
      test: 'goes on from batch to batch; meanwhile what has not moved is missed, and everybody may write',
    },
    proves: 'while documents have still to move, searches say that they do not find them',
  },
  {
    name: 'late-submissions-are-taken',
    edits: [
      {
        file: 'functions/_shared/stores/documents/accept.ts',
        from: 'if (said && isOvertaken(said, head)) return',
        to: 'if (said && head.version < 0) return',
      },
    ],
    caughtBy: {
      file: 'test/submissions.test.ts',
      test: 'what is late, by a replay or by the Broker, changes nothing; its sender is told what stands',
    },
    proves: 'an older event that comes late does not replace what is newer, nor bring back what was deleted',
  },
  {
    name: 'replay-says-what-was-replaced',
    edits: [
      {
        file: 'functions/_shared/stores/documents/dead-letters.ts',
        from: 'if (!isLate) await sayAgain',
        to: 'await sayAgain',
      },
    ],
    caughtBy: {
      file: 'functions/_shared/stores/documents/open.test.ts',
      test: 'replayed after a newer one was accepted, brings about nothing and is done with',
    },
    proves: 'a replay of everything submits nothing that a newer submission has replaced',
  },
  {
    name: 'repeated-events-are-read',
    edits: [
      {
        file: 'functions/gateway/accept/event.ts',
        from: '  if (earlier) return earlier;\n',
        to: '',
      },
    ],
    caughtBy: {
      file: 'functions/gateway/accept/event.test.ts',
      test: 'reads nothing and changes nothing, whatever its URI holds by then',
      sees: /answered 404/,
    },
    proves: 'the same event again costs its source no reading, and cannot fail',
  },
  {
    name: 'removed-keys-used-again',
    edits: [
      {
        file: 'functions/_shared/stores/documents/originals.ts',
        from: 'set removing = true, touched_at',
        to: 'set removing = o.removing, touched_at',
      },
    ],
    caughtBy: {
      file: 'functions/gateway/accept/originals.test.ts',
      test: 'a removal that takes effect late takes no original from a document accepted meanwhile',
    },
    proves: 'a deletion that was given up and is carried out later takes nothing from anybody',
  },
  {
    name: 'older-release-not-waited-for',
    edits: [
      {
        file: 'functions/_shared/stores/documents/originals.ts',
        from: 'original = $2 and touched_at = $3::text::timestamptz',
        to: 'original = $2 and touched_at >= $3::text::timestamptz',
      },
    ],
    caughtBy: {
      file: 'functions/_shared/stores/documents/open.test.ts',
      test: 'a submission to an older release waits for the removal of its original, and puts it again',
    },
    proves: 'an upgrade takes no original from a document that the release before accepts meanwhile',
  },
];
