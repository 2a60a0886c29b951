import type { BrokenBuild } from '../build.ts';

const ACCESS = 'test/access.test.ts';
const SOME = { KNARR_ACCESS_REQUESTS: '1000' };
const RANDOM = 'no request shows anybody what is not theirs';

/** Nobody reads what is not theirs. */
export const READING: readonly BrokenBuild[] = [
  {
    name: 'passages-for-all',
    edits: [
      {
        file: 'functions/_shared/stores/documents/row-security.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a source.
        from: 'versions: `tenant = ${TENANT} and acl && ${PRINCIPALS}`,',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a source.
        to: 'versions: `tenant = ${TENANT}`,',
      },
      {
        file: 'functions/_shared/stores/documents/row-security.ts',
        from: "and v.state = 'indexed' and v.acl && p_principals",
        to: "and v.state = 'indexed'",
      },
      {
        file: 'functions/_shared/stores/vectors/pg.ts',
        from: 'where tenant = $2 and acl && $3::text[]',
        to: 'where tenant = $2 and $3::text[] is not null',
      },
    ],
    caughtBy: { file: ACCESS, test: RANDOM, env: SOME },
    proves:
      'without principals in the vector query, in the function and in its policy, texts are shown to others',
  },
  {
    name: 'policies-alone-missing',
    edits: [
      {
        file: 'functions/_shared/stores/documents/row-security.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a source.
        from: 'versions: `tenant = ${TENANT} and acl && ${PRINCIPALS}`,',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a source.
        to: 'versions: `tenant = ${TENANT}`,',
      },
    ],
    caughtBy: {
      file: 'functions/_shared/stores/documents/row-security.test.ts',
      test: 'the policies hold although the query forgets its conditions',
    },
    proves: 'row-level security is a check of its own',
  },
  {
    name: 'query-without-principals',
    edits: [
      {
        file: 'functions/_shared/stores/vectors/pg.ts',
        from: 'where tenant = $2 and acl && $3::text[]',
        to: 'where tenant = $2 and $3::text[] is not null',
      },
    ],
    caughtBy: {
      file: 'functions/_shared/stores/vectors/pg.test.ts',
      test: 'principals are part of the query: the limit is filled with what the caller may read',
    },
    proves: 'what is hidden takes no place among the hits',
  },
  {
    name: 'one-table-for-all-tenants',
    edits: [
      {
        file: 'functions/_shared/stores/vectors/tables.ts',
        from: 'JSON.stringify([tenant, collection, generation]);',
        to: "JSON.stringify([tenant === '', collection, generation]);",
      },
      {
        file: 'functions/_shared/stores/vectors/pg.ts',
        from: 'where tenant = $2 and acl && $3::text[]',
        to: 'where $2::text is not null and acl && $3::text[]',
      },
    ],
    caughtBy: { file: ACCESS, test: 'what others put in changes no score' },
    proves: 'the points of other tenants take no place among the hits',
  },
  {
    name: 'head-of-any-tenant',
    edits: [
      {
        file: 'functions/_shared/stores/documents/versions.ts',
        from: "\n    .where('documents.tenant', '=', tenant);",
        to: ';',
      },
    ],
    caughtBy: { file: ACCESS, test: RANDOM, env: SOME },
    proves: 'lists and documents are those of the caller’s tenant',
  },
  {
    name: 'lists-for-all',
    edits: [
      {
        file: 'functions/_shared/stores/documents/versions.ts',
        from: 'currentOf(db, caller.tenant).where(mayRead(caller));',
        to: 'currentOf(db, caller.tenant);',
      },
    ],
    caughtBy: { file: ACCESS, test: RANDOM, env: SOME },
    proves: 'a list holds what its reader may read',
  },
  {
    name: 'counts-for-all',
    edits: [
      {
        file: 'functions/_shared/stores/documents/versions.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a source.
        from: 'where c.tenant = ${caller.tenant} and ${mayRead(caller)}',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a source.
        to: 'where c.tenant = ${caller.tenant}',
      },
    ],
    caughtBy: { file: ACCESS, test: 'lists and counts hold what the caller may read, and nothing else' },
    proves: 'a count counts what its reader may read',
  },
  {
    name: 'answers-for-all',
    edits: [
      {
        file: 'functions/_shared/stores/documents/answers.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a source.
        from: '        .where(sql<boolean>`principals <@ ${[...principals]}::text[]`)\n',
        to: '',
      },
    ],
    caughtBy: { file: ACCESS, test: RANDOM, env: SOME },
    proves: 'an answer is its asker’s',
  },
  {
    name: 'dead-letters-for-all',
    edits: [
      {
        file: 'functions/_shared/stores/documents/dead-letters.ts',
        from: 'if (readableBy !== undefined) query',
        to: 'if (readableBy === null) query',
      },
    ],
    caughtBy: { file: ACCESS, test: RANDOM, env: SOME },
    proves: 'a dead letter is for those who may read what it carries',
  },
  {
    name: 'dead-letters-with-passages',
    edits: [
      {
        file: 'functions/gateway/api/dead-letters.ts',
        from: "isQuestion ? Object.hasOwn(EVENTS['query.asked'].shape, name) : name !== 'submitter'",
        to: "name !== 'submitter'",
      },
    ],
    caughtBy: { file: ACCESS, test: RANDOM, env: SOME },
    proves: 'a dead letter holds no text that was deleted or closed since it was found for a question',
  },
  {
    name: 'writes-over-what-is-hidden',
    edits: [
      {
        file: 'functions/_shared/stores/documents/accept.ts',
        from: 'if (head && options.caller && !isReadable(head, options.caller)) {',
        to: 'if (head && options.caller && options.caller.tenant === undefined) {',
      },
    ],
    caughtBy: { file: ACCESS, test: RANDOM, env: SOME },
    proves: 'a writer replaces what it may read',
  },
  {
    name: 'tells-hidden-from-absent',
    edits: [
      {
        file: 'functions/_shared/stores/documents/accept.ts',
        from: "if (head.state === 'deleted' || (caller && !isReadable(head, caller))) return undefined;",
        to: "if (head.state === 'deleted') return undefined;\n        if (caller && !isReadable(head, caller)) throw new KnarrError('forbidden', 'Not yours.');",
      },
      {
        file: 'functions/gateway/api/documents.ts',
        from: '      await headOf(deps, call, id);\n      const options',
        to: '      const options',
      },
    ],
    caughtBy: { file: ACCESS, test: RANDOM, env: SOME },
    proves: 'what is hidden is answered as what is not there',
  },
  {
    name: 'words-in-the-log',
    edits: [
      {
        file: 'functions/ingest/handler.ts',
        from: '  const shown = title ?? parsed.title;\n',
        to: "  const shown = title ?? parsed.title;\n  log.info({ shown }, 'read');\n",
      },
    ],
    caughtBy: { file: ACCESS, test: 'the log holds nobody’s words, and no secret' },
    proves: 'nobody’s words reach the log',
  },
  {
    name: 'embeddings-tell-who-asked-before',
    edits: [
      {
        file: 'functions/embed/encoder/cache.ts',
        from: 'keyOf(options.tenant, text)',
        to: "keyOf('', text)",
      },
    ],
    caughtBy: {
      file: 'functions/embed/encoder/cache.test.ts',
      test: "one tenant's texts make another's no faster",
    },
    proves: 'how long an embedding takes tells nothing of other tenants',
  },
];
