/**
 * Names in byte order, whatever the database's locale is, so that a page of them is a range of an index; the sessions of memories that were stored
 * before sessions were counted; and a superseded memory is a change in its own scope as well.
 */
export const backfillSessions = /* sql */ `
alter table memories no force row level security;
alter table usage_deltas no force row level security;
alter table sessions no force row level security;
alter table session_stats no force row level security;
insert into sessions (tenant_id, session_key, namespace_key, user_key, user_id, agent_id, app_id, run_id, session_id)
  select distinct on (m.tenant_id, m.session_key) m.tenant_id, m.session_key, m.namespace_key, m.user_key, m.user_id, m.agent_id, m.app_id, m.run_id, m.session_id
  from memories m where m.session_key is not null on conflict do nothing;
-- what is not folded yet will be added by the rollup, so it is taken off here
insert into session_stats (tenant_id, session_key, memories, bytes, last_at)
  select c.tenant_id, c.session_key, sum(c.memories), sum(c.bytes), max(c.at) from (
    select m.tenant_id, m.session_key, 1 as memories, m.bytes::bigint as bytes, m.recorded_at as at from memories m where m.session_key is not null
    union all
    select d.tenant_id, d.session_key, -d.memories, -d.bytes, d.at from usage_deltas d where d.session_key is not null) c
  group by c.tenant_id, c.session_key
  on conflict (tenant_id, session_key) do update set memories = excluded.memories, bytes = excluded.bytes, last_at = excluded.last_at;
alter table memories force row level security;
alter table usage_deltas force row level security;
alter table sessions force row level security;
alter table session_stats force row level security;
`

export const sql = /* sql */ `
set local role soma_owner;

-- coalesce: only a statement that lists may take these. Measured: with \`user_id is null\` the look-up of one namespace among 100,000 took this index too,
-- and read all of it, as its order is of no use for an equality under another collation
create index scopes_namespaces on scopes (tenant_id, namespace collate "C") include (scope_key) where coalesce(user_id, '') = '';
create index scopes_users on scopes (tenant_id, namespace, user_id collate "C") include (scope_key) where coalesce(user_id, '') <> '';
drop index sessions_namespace;
drop index sessions_user;
create index sessions_namespace on sessions (tenant_id, namespace_key, session_id collate "C", session_key);
create index sessions_user on sessions (tenant_id, user_key, session_id collate "C", session_key) where user_key is not null;
create index usage_batches_age on usage_batches (tenant_id, at);
${backfillSessions}
-- the older memory's validity ends; its text, and so its words and vector, stay what they are
create or replace function supersede_memory(p_tenant integer, p_old uuid, p_new uuid, p_until timestamptz, p_now timestamptz, p_trace text) returns text language plpgsql security invoker as $fn$
declare
  old memories;
  v_now timestamptz;
begin
  -- a coord's next version that names its own memory
  if p_old = p_new then return 'invalid'; end if;
  select * into old from memories m where m.tenant_id = p_tenant and m.id = p_old for update;
  if not found then return 'not_found'; end if;
  if old.superseded_by is not null and old.superseded_by <> p_new then return 'conflict'; end if;
  v_now := greatest(p_now, old.recorded_at);
  insert into memory_versions select m.*, v_now, pg_current_xact_id(), 'closed' from memories m where m.tenant_id = p_tenant and m.memory_key = old.memory_key;
  insert into closed_postings select p.*, old.version, old.recorded_at, v_now from postings p where p.tenant_id = p_tenant and p.memory_key = old.memory_key;
  insert into closed_vectors select v.*, v_now from vectors v where v.tenant_id = p_tenant and v.memory_key = old.memory_key;
  update memories m set version = m.version + 1, recorded_at = v_now, created_xid = pg_current_xact_id(), superseded_by = p_new,
    valid_to = least(coalesce(m.valid_to, 'infinity'), p_until)
    where m.tenant_id = p_tenant and m.memory_key = old.memory_key;
  update vectors v set version = old.version + 1, recorded_at = v_now where v.tenant_id = p_tenant and v.memory_key = old.memory_key and v.version = old.version;
  update vector_pending q set version = old.version + 1 where q.tenant_id = p_tenant and q.memory_key = old.memory_key;
  insert into outbox (tenant_id, event_id, type, id, memory_key, version, traceparent, created_at, next_attempt_at)
    values (p_tenant, gen_random_uuid(), 'updated', old.id, old.memory_key, old.version + 1, p_trace, v_now, v_now);
  -- no number changes, the last activity does
  insert into usage_deltas (tenant_id, namespace_key, user_key, session_key, at) values (p_tenant, old.namespace_key, old.user_key, old.session_key, v_now);
  return null;
end $fn$;
`
