import { ConfigError } from '../../config.ts';
import { type Database, isSqlError, type Queryable } from '../sql/database.ts';
import { CHUNK_COLUMNS } from './chunks.ts';

/**
 * The second check on what is read: row-level security. A superuser and a table's owner pass it by, so the one query
 * that gives out text runs as a role that owns nothing else and may not log in: inside a function of that role's, which
 * takes one round trip and works on the embedded database too, where everybody is a superuser.
 */
const ROLE = 'knarr_reader';

const TENANT = `(select current_setting('knarr.tenant', true))`;
const PRINCIPALS = `(select nullif(current_setting('knarr.principals', true), '')::text[])`;

/** What the role sees: nothing, until tenant and principals are set. Chunks follow their version. */
const POLICIES = {
  documents: `tenant = ${TENANT}`,
  versions: `tenant = ${TENANT} and acl && ${PRINCIPALS}`,
  chunks: `tenant = ${TENANT} and exists (select from versions v
    where v.tenant = chunks.tenant and v.document = chunks.document and v.version = chunks.version)`,
};

const SIGNATURE = 'current_chunks(text, text[], text[], integer[], integer[])';
const BODY = `
#variable_conflict use_column
begin
  perform set_config('knarr.tenant', p_tenant, true), set_config('knarr.principals', p_principals::text, true);
  return query select ${CHUNK_COLUMNS}
    from unnest(p_documents, p_versions, p_chunks) as h(document, version, chunk)
    join documents d on d.tenant = p_tenant and d.document = h.document and d.head = h.version
    join versions v on v.tenant = p_tenant and v.document = h.document and v.version = h.version
      and v.state = 'indexed' and v.acl && p_principals
    join chunks c on c.tenant = p_tenant and c.document = h.document and c.version = h.version and c.chunk = h.chunk
    order by c.document, c.chunk;
end`;

/**
 * Sees to it that the function and its policies are in place, also after a restore without owners. Throws
 * {@link ConfigError} when the database's user may not make the role.
 */
export async function secureRows(database: Database): Promise<void> {
  if (await isSecured(database)) return;
  try {
    await database.transaction(async (tx) => {
      await tx.query('select pg_advisory_xact_lock(hashtext($1))', [ROLE]);
      if (!(await isSecured(tx))) await secure(tx);
    });
  } catch (thrown) {
    if (!isSqlError(thrown, '42501')) throw thrown;
    const { rows } = await database.query<{ user: string }>('select current_user as "user"');
    const user = `"${rows[0]?.user.replaceAll('"', '""')}"`;
    throw new ConfigError([
      `The database's user may not make the role of the row-level security. An administrator can: create role ${ROLE} nologin; grant ${ROLE} to ${user}; grant create, usage on schema public to ${user} with grant option;`,
    ]);
  }
}

async function isSecured(db: Queryable): Promise<boolean> {
  const { rows } = await db.query<{ secured: boolean }>(
    `select exists (select from pg_proc p join pg_roles r on r.oid = p.proowner
       where p.oid = to_regprocedure($1) and p.prosecdef and p.prosrc = $2 and r.rolname = $3
         and not r.rolsuper and not r.rolbypassrls)
     and (select count(*) from pg_class t join pg_policy y on y.polrelid = t.oid and y.polname = $3
       where t.oid = any($4::regclass[]) and t.relrowsecurity) = cardinality($4::regclass[]) as secured`,
    [SIGNATURE, BODY, ROLE, Object.keys(POLICIES)],
  );
  return rows[0]?.secured ?? false;
}

async function secure(tx: Queryable): Promise<void> {
  const { rows } = await tx.query<{ schema: string }>('select quote_ident(current_schema()) as schema');
  const schema = rows[0]?.schema;
  // Roles are the whole server's: another database may be making the same one now.
  await tx.exec(`do $$ begin
    if not exists (select from pg_roles where rolname = '${ROLE}') then create role ${ROLE} nologin; end if;
    exception when duplicate_object or unique_violation then null; end $$;
    do $$ begin
    if not pg_has_role(current_user, '${ROLE}', 'member') then execute format('grant ${ROLE} to %I', current_user); end if;
    exception when duplicate_object or unique_violation then null; end $$;`);
  for (const [table, condition] of Object.entries(POLICIES)) {
    await tx.exec(`alter table ${table} enable row level security;
      drop policy if exists ${ROLE} on ${table};
      create policy ${ROLE} on ${table} for select to ${ROLE} using (${condition});
      grant select on ${table} to ${ROLE};`);
  }
  // An owner of a function must be allowed to make one; afterwards it need not be.
  await tx.exec(`drop function if exists ${SIGNATURE};
    create function current_chunks(p_tenant text, p_principals text[], p_documents text[], p_versions integer[],
      p_chunks integer[])
    returns table (document text, version integer, chunk integer, text text, start_at integer, end_at integer,
      headings jsonb, tokens integer, collection text, generation text, title text, uri text, metadata jsonb, acl text[])
    language plpgsql security definer set search_path = ${schema}, pg_temp as $body$${BODY}$body$;
    do $$ begin execute format('grant execute on function ${SIGNATURE} to %I', current_user); end $$;
    revoke execute on function ${SIGNATURE} from public;
    grant usage, create on schema ${schema} to ${ROLE};
    alter function ${SIGNATURE} owner to ${ROLE};
    revoke create on schema ${schema} from ${ROLE};`);
}
