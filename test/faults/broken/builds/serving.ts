import type { BrokenBuild } from '../build.ts';

/** Requests end: in time, in order, within bounds. */
export const SERVING: readonly BrokenBuild[] = [
  {
    name: 'ends-at-once',
    edits: [
      {
        file: 'functions/_shared/runtime/serve.ts',
        from: '  await Promise.race([Promise.all([finished, sleep(LINGER_MS)]), patience]);\n',
        to: '  void finished;\n',
      },
      {
        file: 'functions/_shared/runtime/serve.ts',
        from: '  await Promise.race([answered(), patience]);\n',
        to: '',
      },
    ],
    caughtBy: { scenario: 'sigterm-in-flight', sees: /got no answer/ },
    proves: 'requests in flight are answered before the process ends',
  },
  {
    name: 'refused-after-effect',
    edits: [
      {
        file: 'functions/gateway/accept/accept.ts',
        from: '  if (acceptance.created) deps.relay.wake();\n',
        to: "  if (acceptance.created) throw new KnarrError('unavailable', 'Try again.');\n",
      },
    ],
    caughtBy: { scenario: 'sigterm-in-flight', sees: /was refused, and is there/ },
    proves: 'a request that is refused has had no effect',
  },
  {
    name: 'deadlines-not-kept',
    edits: [
      {
        file: 'functions/_shared/runtime/run.ts',
        from: 'return await byDeadline(handle(context), outer.deadline);',
        to: 'return await handle(context);',
      },
      {
        file: 'functions/gateway/rag/budget.ts',
        from: 'timer = setTimeout(() => stop(tooLate()), time);',
        to: 'timer = setTimeout(() => {}, time);',
      },
    ],
    caughtBy: { scenario: 'frozen-postgres', store: 'postgres', sees: /A question (took|got no answer)/ },
    proves: 'a database that stands still holds no question beyond its budget',
  },
  {
    name: 'calls-between-stages-without-end',
    edits: [
      {
        file: 'functions/_shared/client.ts',
        from: 'signal: call.signal, redirect:',
        to: 'redirect:',
      },
      {
        file: 'functions/_shared/runtime/run.ts',
        from: 'return await byDeadline(handle(context), outer.deadline);',
        to: 'return await handle(context);',
      },
    ],
    caughtBy: { scenario: 'frozen-stage', store: 'postgres', sees: /stood still/ },
    proves: 'a stage that stands still holds no call beyond its deadline',
  },
  {
    name: 'rate-limit-for-all-tenants-together',
    edits: [
      {
        file: 'functions/gateway/limits/tenants.ts',
        from: 'const known = tenants.get(tenant);\n    if (known && Date.now()',
        to: 'const known = [...tenants.values()][0];\n    if (known && Date.now()',
      },
    ],
    caughtBy: {
      file: 'functions/gateway/api/quotas.test.ts',
      test: 'bound requests of a tenant, and say what is left',
    },
    proves: 'a noisy tenant uses up its own quota alone',
  },
  {
    name: 'no-limit-of-questions',
    edits: [
      {
        file: 'functions/_shared/turns.ts',
        from: 'if (refuse === undefined) return;',
        to: 'if (max > 0) return;',
      },
      {
        file: 'functions/_shared/turns.ts',
        from: 'if (taken < max) return begin',
        to: 'if (max > 0) return begin',
      },
    ],
    caughtBy: {
      file: 'functions/gateway/api/questions.test.ts',
      test: 'more questions than allowed are asked to come again',
      sees: /AssertionError|timed out/,
    },
    proves: 'more work than there is room for is refused at once',
  },
  {
    name: 'body-without-bound',
    edits: [
      {
        file: 'functions/_shared/runtime/body.ts',
        from: 'if (size > limit) throw tooLarge(limit);',
        to: 'if (size < 0) throw tooLarge(limit);',
      },
    ],
    caughtBy: { file: 'test/corpus.test.ts', test: 'a gzip bomb → 413' },
    proves: 'a body is expanded no further than the limit',
  },
  {
    name: 'server-error-for-malformed',
    edits: [
      {
        file: 'functions/_shared/runtime/cloudevents.ts',
        from: "new KnarrError('malformed_event'",
        to: "new KnarrError('internal'",
      },
    ],
    caughtBy: { file: 'test/corpus.test.ts', test: 'no id → 400' },
    proves: 'a malformed event is its sender’s fault',
  },
  {
    name: 'reader-not-killed',
    edits: [
      {
        file: 'functions/ingest/parser/reader.ts',
        from: 'const timer = setTimeout(() => kill(late), limitMs);',
        to: 'const timer = setTimeout(() => {}, limitMs);',
      },
    ],
    caughtBy: {
      file: 'functions/ingest/parser/parser.test.ts',
      test: 'in time is ended, and the next one is read',
      sees: /AssertionError|timed out/,
    },
    proves: 'a document that takes for ever to read ends alone',
  },
  {
    name: 'full-disk-hidden',
    edits: [
      {
        file: 'functions/_shared/stores/originals/folder.ts',
        from: '        throw full(thrown);\n',
        to: '',
      },
    ],
    caughtBy: {
      file: 'test/hard-times.test.ts',
      test: 'refuses with a reason, and loses nothing that it had accepted',
      sees: /AssertionError|timed out/,
    },
    proves: 'what could not be stored is not accepted',
  },
  {
    name: 'damaged-data-thrown-away',
    edits: [
      {
        file: 'functions/_shared/stores/sql/pglite.ts',
        from: "    if (!existsSync(folder)) await firstStart(folder);\n    const worker = await startWorker(workerFile('pglite'), { folder }).catch((cause) => {\n",
        to: "    if (!existsSync(folder)) await firstStart(folder);\n    const worker = await startWorker(workerFile('pglite'), { folder }).catch(async (cause) => {\n      await rm(folder, { recursive: true });\n      await firstStart(folder);\n      if (cause) return startWorker(workerFile('pglite'), { folder });\n",
      },
    ],
    caughtBy: {
      file: 'test/hard-times.test.ts',
      test: 'damaged data is named, left alone, and opened again when it is whole',
      sees: /AssertionError|timed out/,
    },
    proves: 'damaged data is somebody’s to decide upon',
  },
];
