import type { BrokenBuild } from '../build.ts';

const ACCESS = 'test/access.test.ts';
const ACTS = 'functions/gateway/api/acts.test.ts';
const SOME = { KNARR_ACCESS_REQUESTS: '1000' };
const RANDOM = 'no request shows anybody what is not theirs';

/** Nobody is let in who should not be, and what is done is on record. */
export const ADMISSION: readonly BrokenBuild[] = [
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
        from: "actor.includes(' ') ?",
        to: "actor === '' ?",
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
];
