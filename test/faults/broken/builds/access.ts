import type { BrokenBuild } from '../build.ts';

const ACCESS = 'test/access.test.ts';
const ACTS = 'functions/gateway/api/acts.test.ts';
const SOME = { KNARR_ACCESS_REQUESTS: '1000' };
const RANDOM = 'no request shows anybody what is not theirs';

/** Nobody reads what is not theirs, and nobody is let in who should not be. */
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
    caughtBy: { file: ACCESS, test: 'what others put in changes no score' },
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
    name: 'admin-of-every-tenant',
    edits: [
      {
        file: 'functions/gateway/api/admin-keys.ts',
        from: 'if (tenant !== undefined && tenant !== call.tenant) requireOperator(call);',
        to: '',
      },
    ],
    // There are few admins among the callers.
    caughtBy: { file: ACCESS, test: RANDOM, env: { KNARR_ACCESS_REQUESTS: '3000' } },
    proves: 'an admin administers its own tenant',
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
    name: 'revoked-keys-open',
    edits: [
      {
        file: 'functions/gateway/auth/keys.ts',
        from: 'if (key.revokedAt !== null) return',
        to: 'if (key.revokedAt === undefined) return',
      },
    ],
    caughtBy: { file: ACCESS, test: RANDOM, env: SOME },
    proves: 'a revoked key opens nothing',
  },
  {
    name: 'revoked-keys-write-on',
    edits: [
      {
        file: 'functions/gateway/api/batch.ts',
        from: '.then((identity) => acceptLine(',
        to: '.then(() => call, () => call)\n      .then((identity) => acceptLine(',
      },
    ],
    caughtBy: {
      file: 'functions/gateway/api/batch-callers.test.ts',
      test: 'a batch ends with the key that it was begun with',
    },
    proves: 'a revoked key writes nothing more, through a batch that is open either',
  },
  {
    name: 'idempotency-keys-of-others',
    edits: [
      {
        file: 'functions/gateway/accept/accept.ts',
        from: 'JSON.stringify([actor, idempotencyKey]);',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a source.
        to: '`${actor} ${idempotencyKey}`;',
      },
    ],
    caughtBy: {
      file: 'functions/gateway/auth/authenticator.test.ts',
      test: 'idempotency keys are each user’s own, whatever they are called',
    },
    proves: 'one writer’s idempotency keys are nothing to another',
  },
  {
    name: 'tokens-for-others',
    edits: [
      {
        file: 'functions/gateway/auth/issuer.ts',
        from: '          audience: [...audience],\n',
        to: '',
      },
    ],
    caughtBy: { file: 'functions/gateway/auth/issuer.test.ts', test: 'refuses another audience' },
    proves: 'a token is for the audience that it names',
  },
  {
    name: 'calls-by-strangers',
    edits: [
      {
        file: 'functions/_shared/runtime/http.ts',
        from: 'readCall(request, inside ? undefined : key);',
        to: 'readCall(request);',
      },
    ],
    caughtBy: {
      file: 'functions/_shared/runtime/strangers.test.ts',
      test: 'a call that claims nothing does nothing',
    },
    proves: 'a stage answers stages alone',
  },
  {
    name: 'events-by-strangers',
    edits: [
      {
        file: 'functions/_shared/runtime/http.ts',
        from: '    if (!inside) checkEvent(key, event);\n',
        to: '',
      },
    ],
    caughtBy: {
      file: 'functions/recover/strangers.test.ts',
      test: 'a dead letter that no stage has said ends nobody’s document or question, and is not kept',
    },
    proves: 'what no stage has said ends nobody’s document',
  },
  {
    name: 'inner-addresses-by-name',
    edits: [
      {
        file: 'functions/gateway/accept/addresses.ts',
        from: ': found.filter(({ address }) => allowed(address));',
        to: ': found;',
      },
    ],
    caughtBy: {
      file: 'functions/gateway/accept/addresses.test.ts',
      test: 'a name leads only to addresses that may be reached',
    },
    proves: 'a name that leads inside is not followed',
  },
  {
    name: 'replays-before-their-entry',
    edits: [
      {
        file: 'functions/_shared/stores/documents/dead-letters.ts',
        from: '          if (isThere) await within?.(tx, id);\n          return isThere;\n        });\n',
        to: '          return isThere;\n        });\n        if (isReplayed) await within?.(database, id);\n',
      },
    ],
    caughtBy: { file: ACTS, test: 'replaying a dead letter' },
    proves: 'a dead letter is replayed together with its entry in the audit log, or not at all',
  },
  {
    name: 'rebuilds-before-their-entry',
    edits: [
      {
        file: 'functions/_shared/stores/documents/rebuilds.ts',
        from: '        await within?.(tx);\n      });\n',
        to: '      });\n      await within?.(database);\n',
      },
    ],
    caughtBy: { file: ACTS, test: 'rebuilding' },
    proves: 'a rebuild begins together with its entry in the audit log, or not at all',
  },
  {
    name: 'compares-without-entry',
    edits: [
      {
        file: 'functions/gateway/api/maintenance.ts',
        from: "action: 'store.reconcile', details }]);",
        to: "action: 'store.reconcile', details }]).catch(() => {});",
      },
    ],
    caughtBy: { file: ACTS, test: 'comparing' },
    proves: 'a comparison has its entry in the audit log before it begins',
  },
  {
    name: 'audit-log-writable',
    edits: [
      {
        file: 'functions/_shared/stores/access/migrations.ts',
        from: 'create trigger append_only before update or delete or truncate on audit_log',
        to: 'create trigger append_only before truncate on audit_log',
      },
    ],
    caughtBy: {
      file: 'functions/_shared/stores/access/open.test.ts',
      test: 'nothing in the audit log is ever changed: delete from audit_log',
    },
    proves: 'what the audit log holds cannot be changed',
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
