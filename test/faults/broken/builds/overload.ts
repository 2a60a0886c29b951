import type { BrokenBuild } from '../build.ts';

/** Too much work, and those who take their time, are nobody else's trouble. */
export const OVERLOAD: readonly BrokenBuild[] = [
  {
    name: 'queue-without-bound',
    edits: [
      {
        file: 'functions/_local/broker/queue.ts',
        from: 'this.stats.waiting < limits.events &&',
        to: 'limits.events > 0 &&',
      },
    ],
    caughtBy: { scenario: 'slow-consumer', sees: /events wait in a queue for/ },
    proves: 'a subscriber that is slow fills no memory',
  },
  {
    name: 'first-come-first-served',
    edits: [
      {
        file: 'functions/_shared/turns.ts',
        from: 'one[1].taken < (chosen?.[1].taken ?? Number.POSITIVE_INFINITY)',
        to: '!chosen',
      },
      {
        file: 'functions/_shared/turns.ts',
        from: '    tenants.delete(chosen[0]);\n    tenants.set(...chosen);\n',
        to: '',
      },
    ],
    caughtBy: {
      file: 'functions/_shared/turns.test.ts',
      test: 'a tenant that comes later is served in turn, not behind all that came before it',
    },
    proves: 'a noisy tenant’s questions do not stand in front of everybody’s',
  },
  {
    name: 'work-without-turns',
    edits: [
      {
        file: 'functions/_local/run/stages.ts',
        from: 'shared.run(call, () => client(input, call));',
        to: 'shared && client(input, call);',
      },
    ],
    caughtBy: {
      file: 'test/shares.test.ts',
      test: 'a tenant with many questions at work does not hold up the one of another',
    },
    proves: 'in one process the stages’ work is shared, not only the places for questions',
  },
  {
    name: 'more-than-its-share',
    edits: [
      {
        file: 'functions/_shared/turns.ts',
        from: 'own < Math.min(share, most)',
        to: 'own < most',
      },
    ],
    caughtBy: {
      file: 'functions/_shared/turns.test.ts',
      test: 'who has its share is refused at once, who has less waits for the next turn',
    },
    proves: 'who asks for more than its share while nothing is free is refused at once',
  },
  {
    name: 'read-before-it-is-refused',
    edits: [
      {
        file: 'functions/gateway/admit.ts',
        from: 'if (identity && isQuestion(request)) deps',
        to: "if (identity && request.method === 'none') deps",
      },
    ],
    caughtBy: {
      file: 'functions/gateway/api/overload.test.ts',
      test: 'a question for which there is no place is refused before it is read',
    },
    proves: 'what is too much costs next to nothing',
  },
  {
    name: 'turn-held-by-a-reader',
    edits: [{ file: 'functions/gateway/api/rag.ts', from: '      endTurn();\n', to: '' }],
    caughtBy: {
      file: 'functions/gateway/api/overload.test.ts',
      test: 'a stream that nobody reads holds no turn once its answer is made',
    },
    proves: 'clients that read slowly keep nobody from asking',
  },
  {
    name: 'reader-waited-for-without-end',
    edits: [
      {
        file: 'functions/gateway/api/stream.ts',
        from: '      hangUp(c.req.raw);\n      gone.abort();\n',
        to: '',
      },
    ],
    caughtBy: {
      file: 'functions/gateway/api/stream.test.ts',
      test: 'a client that reads nothing is broken off, and the work for it ends',
      sees: /AssertionError|timed out/,
    },
    proves: 'a client that reads nothing holds its stream for a while only',
  },
  {
    name: 'look-ups-without-bound',
    edits: [
      {
        file: 'functions/gateway/auth/cache.ts',
        from: 'pending.size >= MAX_PENDING &&',
        to: 'pending.size < 0 &&',
      },
    ],
    caughtBy: {
      file: 'functions/gateway/api/overload.test.ts',
      test: 'a flood of unknown tokens does not become a flood of look-ups',
    },
    proves: 'unknown tokens are not looked up without bound',
  },
  {
    name: 'deletions-among-writes',
    edits: [
      {
        file: 'functions/gateway/limits/tenants.ts',
        from: "const removals = turns({ max: max.maxWrites, refuse: 'deletions' });",
        to: 'const removals = writes;',
      },
    ],
    caughtBy: {
      file: 'functions/gateway/accept/originals.test.ts',
      test: 'documents are deleted while writes hang in the store of originals; so many at once, and no more',
    },
    proves: 'a store of originals that hangs keeps nobody from deleting',
  },
];
