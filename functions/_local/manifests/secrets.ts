/** Secrets that an installation is given from outside, with their keys: docs/deploy.md says how to make each. */
export const SECRETS: Readonly<Record<string, { namespace: string; keys: readonly string[]; what: string }>> =
  {
    'postgres-app': {
      namespace: 'knarr',
      keys: ['uri'],
      what: 'address of PostgreSQL: postgresql://user:password@host:5432/database',
    },
    s3: {
      namespace: 'knarr',
      keys: ['access-key-id', 'secret-access-key'],
      what: 'keys of the bucket for originals',
    },
    qdrant: {
      namespace: 'knarr',
      keys: ['api-key'],
      what: 'key that Qdrant asks for, 32 characters or more',
    },
    stages: {
      namespace: 'knarr',
      keys: ['key'],
      what: 'key of all stages, by which they know each other: openssl rand -hex 32',
    },
    llm: { namespace: 'knarr', keys: ['token'], what: 'token for a gated language model' },
    'postgres-vectors': {
      namespace: 'knarr',
      keys: ['uri'],
      what: 'address of the PostgreSQL for vectors alone',
    },
    openai: { namespace: 'knarr', keys: ['api-key'], what: 'key of the server of the language model' },
    aws: {
      namespace: 'knarr-sources',
      keys: ['aws.accessKey', 'aws.secretKey'],
      what: 'keys that may read the queue of S3 notifications',
    },
  };
