import { type Kysely, type Migration, sql } from 'kysely';

/**
 * The same statements on the embedded database and on a server. Every table starts its key with the tenant, so that
 * row-level security can be added. Ids sort by bytes (collation C), whatever the server's locale: cursors rely on it.
 */
export const migrations: Record<string, Migration> = {
  '0001_documents': { up: documents },
  '0002_messages': { up: messages },
  '0003_rebuilding': { up: rebuilding },
  '0004_letters_of_a_document': { up: lettersOfADocument },
  '0005_in_flight': { up: inFlight },
  '0006_comparison': { up: comparison },
  '0006_said': { up: said },
  '0007_rebuilds': { up: rebuilds },
  '0008_turns': { up: turns },
  '0009_removing': { up: removing },
};

async function documents(db: Kysely<unknown>): Promise<void> {
  await sql`create table collections (
    tenant text collate "C" not null,
    collection text collate "C" not null,
    generation text not null,
    primary key (tenant, collection)
  )`.execute(db);
  await sql`create table documents (
    tenant text collate "C" not null,
    document text collate "C" not null,
    head integer not null,
    primary key (tenant, document)
  )`.execute(db);
  await sql`create table versions (
    tenant text collate "C" not null,
    document text collate "C" not null,
    version integer not null,
    collection text collate "C" not null,
    generation text not null,
    title text,
    uri text,
    content_type text not null,
    content_hash text not null,
    bytes bigint not null,
    original text not null,
    metadata jsonb not null,
    acl text[] not null,
    fingerprint text not null,
    state text not null check (state in
      ('accepted', 'chunked', 'embedded', 'indexed', 'superseded', 'deleted', 'dead_lettered')),
    chunks integer not null default 0,
    indexed_chunks integer not null default 0,
    error_code text,
    error_message text,
    -- How often it was sent off again because it stood still.
    redrives integer not null default 0,
    -- Of a tombstone: whether the vector store has let go of the document.
    removed boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant, document, version)
  )`.execute(db);
  await sql`create index versions_unfinished on versions (tenant, document, version)
    where state in ('accepted', 'chunked', 'embedded')`.execute(db);
  await sql`create index versions_unremoved on versions (tenant, document, version)
    where state = 'deleted' and not removed`.execute(db);
  await sql`create index versions_original on versions (tenant, original)`.execute(db);
  await sql`create table originals (
    tenant text collate "C" not null,
    original text collate "C" not null,
    touched_at timestamptz not null default now(),
    primary key (tenant, original)
  )`.execute(db);
  await sql`create index originals_age on originals (touched_at)`.execute(db);
  await sql`create table chunks (
    tenant text collate "C" not null,
    document text collate "C" not null,
    version integer not null,
    chunk integer not null,
    text text not null,
    start_at integer not null,
    end_at integer not null,
    headings jsonb not null,
    tokens integer not null,
    indexed boolean not null default false,
    primary key (tenant, document, version, chunk),
    foreign key (tenant, document, version) references versions on delete cascade
  )`.execute(db);
}

async function messages(db: Kysely<unknown>): Promise<void> {
  await sql`create table outbox (
    id bigint generated always as identity primary key,
    tenant text collate "C" not null,
    name text not null,
    subject text not null,
    data jsonb not null,
    traceparent text,
    attempts integer not null default 0,
    claimed_until timestamptz
  )`.execute(db);
  await sql`create index outbox_subject on outbox (tenant, subject)`.execute(db);
  await sql`create table idempotency_keys (
    tenant text collate "C" not null,
    key text collate "C" not null,
    fingerprint text not null,
    document text not null,
    version integer not null,
    created_at timestamptz not null default now(),
    primary key (tenant, key)
  )`.execute(db);
  await sql`create index idempotency_keys_age on idempotency_keys (created_at)`.execute(db);
  await sql`create table dead_letters (
    tenant text collate "C" not null,
    id text collate "C" not null,
    event jsonb not null,
    code text not null,
    message text not null,
    destination text not null,
    received_at timestamptz not null,
    type text not null,
    subject text,
    -- Deliveries of this letter: one, and one more for each time a replay failed again.
    attempts integer not null default 1,
    replayed_at timestamptz,
    primary key (tenant, id)
  )`.execute(db);
  await sql`create index dead_letters_newest on dead_letters (tenant, received_at desc, id desc)`.execute(db);
  await sql`create table answers (
    tenant text collate "C" not null,
    id text collate "C" not null,
    principals text[] not null,
    state text not null check (state in ('pending', 'answered', 'failed')),
    result jsonb,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    primary key (tenant, id)
  )`.execute(db);
  await sql`create index answers_expiry on answers (expires_at)`.execute(db);
}

/** Versions that were moved to another index generation and are not in it yet. */
async function rebuilding(db: Kysely<unknown>): Promise<void> {
  await sql`alter table versions add column rebuilding boolean not null default false`.execute(db);
  await sql`create index versions_rebuilding on versions (tenant, collection)
    where rebuilding and state in ('accepted', 'chunked', 'embedded')`.execute(db);
}

async function lettersOfADocument(db: Kysely<unknown>): Promise<void> {
  await sql`create index dead_letters_subject on dead_letters (tenant, subject)`.execute(db);
}

/** When the Broker took a version's event: of what was sent first and has not ended, and what was sent last and has. */
async function inFlight(db: Kysely<unknown>): Promise<void> {
  await sql`alter table versions add column sent_at timestamptz`.execute(db);
  await sql`create index versions_in_flight on versions (sent_at)
    where state in ('accepted', 'chunked', 'embedded') or (state = 'indexed' and sent_at > updated_at)`.execute(
    db,
  );
  await sql`create index versions_sent on versions (sent_at) where state = 'indexed'`.execute(db);
  await sql`create index outbox_documents on outbox (tenant, id) where name = 'document.accepted'`.execute(
    db,
  );
  await sql`create index outbox_others on outbox (tenant, id) where name <> 'document.accepted'`.execute(db);
  // In the collation of the documents that it is compared with: else it is of no use.
  await sql`drop index outbox_subject`.execute(db);
  await sql`create index outbox_version on outbox (tenant, subject collate "C", (data->'version'))`.execute(
    db,
  );
}

/** How far the comparison with the vector store has come, of all tenants: one row. A new store has nothing to compare. */
async function comparison(db: Kysely<unknown>): Promise<void> {
  await sql`create table comparison (
    one boolean primary key default true check (one),
    -- Where it goes on; empty: at its beginning; null: none is under way.
    cursor text,
    claim uuid,
    claimed_until timestamptz,
    -- What the last whole one found.
    drift jsonb,
    completed_at timestamptz not null default now()
  )`.execute(db);
  await sql`insert into comparison default values`.execute(db);
}

/** What the event of a submission said of itself: when it was said, and of one that is said again, what makes it the same. */
async function said(db: Kysely<unknown>): Promise<void> {
  await sql`alter table versions add column said_at timestamptz`.execute(db);
  await sql`alter table outbox add column said jsonb`.execute(db);
}

/** Collections that are being built anew, and up to which document that has been seen to. */
async function rebuilds(db: Kysely<unknown>): Promise<void> {
  await sql`create table rebuilds (
    tenant text collate "C" not null,
    collection text collate "C" not null,
    generation text not null,
    -- Whether documents come from another generation: until they do, searches do not find them.
    moves boolean not null,
    done_to text collate "C" not null default '',
    gone_on_at timestamptz not null default now(),
    primary key (tenant, collection)
  )`.execute(db);
  await sql`create index versions_collection on versions (tenant, collection, document)
    where state not in ('superseded', 'deleted')`.execute(db);
}

/** A document that is replaced while it waits keeps the place of the row before; other rows come by their ids. */
async function turns(db: Kysely<unknown>): Promise<void> {
  await sql`alter table outbox add column turn bigint`.execute(db);
  // An older release does without the indexes that these replace.
  await sql`drop index outbox_documents`.execute(db);
  await sql`drop index outbox_others`.execute(db);
  await sql`create index outbox_documents on outbox (tenant, coalesce(turn, id))
    where name = 'document.accepted'`.execute(db);
  await sql`create index outbox_others on outbox (tenant, coalesce(turn, id))
    where name <> 'document.accepted'`.execute(db);
}

/**
 * Originals are found by their content, unless their removal has begun: then another key is made. What an older release
 * keeps has no hash here, and its keys are not used again.
 */
async function removing(db: Kysely<unknown>): Promise<void> {
  await sql`alter table originals add column content_hash text, add column removing boolean not null default false`.execute(
    db,
  );
  await sql`create unique index originals_content on originals (tenant, content_hash) where not removing`.execute(
    db,
  );
  await sql`create index originals_removing on originals (touched_at) where removing`.execute(db);
}
