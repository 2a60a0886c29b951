import { type Kysely, type Migration, sql } from 'kysely';

export const migrations: Record<string, Migration> = { '0001_access': { up: access } };

async function access(db: Kysely<unknown>): Promise<void> {
  await sql`create table api_keys (
    id text collate "C" primary key,
    tenant text collate "C" not null,
    name text not null,
    role text not null check (role in ('reader', 'writer', 'admin')),
    collections text[],
    principals text[] not null,
    hash text not null,
    -- As exact as a cursor tells it.
    created_at timestamptz not null default date_trunc('milliseconds', now()),
    created_by text not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
  )`.execute(db);
  await sql`create index api_keys_newest on api_keys (tenant, created_at desc, id desc)`.execute(db);
  await sql`create table quotas (
    tenant text collate "C" primary key,
    documents bigint,
    bytes bigint,
    requests_per_second float8,
    questions integer
  )`.execute(db);
  // Several rows a tenant, so that its writers do not wait for each other: the sum counts.
  await sql`create table usage (
    tenant text collate "C" not null,
    shard smallint not null,
    documents bigint not null,
    bytes bigint not null,
    primary key (tenant, shard)
  )`.execute(db);
  await countExisting(db);
  await sql`create table audit_log (
    tenant text collate "C" not null,
    id bigint generated always as identity,
    at timestamptz not null default now(),
    actor text not null,
    action text not null,
    target text,
    denied text,
    count integer not null default 1,
    trace_id text,
    details jsonb not null default '{}',
    primary key (tenant, id)
  )`.execute(db);
  await sql`create function audit_log_append_only() returns trigger language plpgsql as $$
    begin raise exception 'The audit log is append-only.' using errcode = 'insufficient_privilege'; end $$`.execute(
    db,
  );
  await sql`create trigger append_only before update or delete or truncate on audit_log
    for each statement execute function audit_log_append_only()`.execute(db);
}

/** Documents that were there before anybody counted. */
async function countExisting(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ there: boolean }>`select to_regclass('versions') is not null as there`.execute(
    db,
  );
  if (!rows[0]?.there) return;
  await sql`insert into usage (tenant, shard, documents, bytes)
    select tenant, 0, count(*), sum(bytes) from documents d join versions v using (tenant, document)
    where v.version = d.head and v.state <> 'deleted' group by tenant`.execute(db);
}
