/**
 * Time: every version knows from when to when it was the platform's knowledge, and so do its words and vectors. The instant of a change is taken
 * after its locks, so that a memory's versions follow each other; until the change commits, a shared advisory lock (tenant, milliseconds) says that
 * an instant is not settled yet. Whoever asks as of an instant looks at these locks, then reads: what is older than the oldest of them is exact.
 */
export const sql = /* sql */ `
set local role soma_owner;

alter table closed_postings add column recorded_at timestamptz, add column closed_at timestamptz;
alter table vectors add column recorded_at timestamptz;
alter table closed_vectors add column recorded_at timestamptz, add column closed_at timestamptz;
-- the owner has no policy, so for the rows that are there already its own tables are opened to it, in this transaction only
alter table memories no force row level security;
alter table memory_versions no force row level security;
alter table closed_postings no force row level security;
alter table vectors no force row level security;
alter table closed_vectors no force row level security;
update closed_postings p set recorded_at = v.recorded_at, closed_at = v.closed_at from memory_versions v
  where v.tenant_id = p.tenant_id and v.memory_key = p.memory_key and v.version = p.version;
update closed_vectors p set recorded_at = v.recorded_at, closed_at = v.closed_at from memory_versions v
  where v.tenant_id = p.tenant_id and v.memory_key = p.memory_key and v.version = p.version;
update vectors p set recorded_at = m.recorded_at from memories m where m.tenant_id = p.tenant_id and m.memory_key = p.memory_key;
alter table memories force row level security;
alter table memory_versions force row level security;
alter table closed_postings force row level security;
alter table vectors force row level security;
alter table closed_vectors force row level security;
-- what no version stands behind belongs to nobody
alter table closed_postings alter column recorded_at set default '-infinity', alter column closed_at set default '-infinity';
alter table vectors alter column recorded_at set default '-infinity';

drop index closed_postings_term;
create index closed_postings_term on closed_postings (tenant_id, namespace_key, term, user_key, closed_at) include (memory_key, recorded_at, version, tf, len);
create index closed_vectors_namespace on closed_vectors (tenant_id, namespace_key, model_key, closed_at, recorded_at);
create index closed_vectors_user on closed_vectors (tenant_id, user_key, model_key, closed_at, recorded_at) where user_key is not null;
create index memory_versions_namespace on memory_versions (tenant_id, namespace_key, created_at, memory_key);
create index memory_versions_user on memory_versions (tenant_id, user_key, created_at, memory_key) where user_key is not null;

-- what goes over the wire has milliseconds, so what is recorded has them too: as_of of one's own updated_at must find the version
create function change_instant() returns timestamptz language sql security invoker as $fn$ select date_trunc('milliseconds', clock_timestamp()) $fn$;

-- says until the end of this transaction that instants from now on are not settled; taken before change_instant(). Its key is the low half of the
-- milliseconds, which comes round after 49 days
create function mark_change(p_tenant integer) returns void language plpgsql security invoker as $fn$
declare ms bigint := floor(extract(epoch from clock_timestamp()) * 1000)::bigint & 4294967295;
begin
  perform pg_advisory_xact_lock_shared(p_tenant, (case when ms > 2147483647 then ms - 4294967296 else ms end)::integer);
end $fn$;

-- the instant before which everything of a tenant is settled, as far as open transactions go; null when none is open
create function unsettled_from(p_tenant integer) returns timestamptz language sql security invoker as $fn$
  select to_timestamp(min(t.now - case when t.age > 2147483647 then 0 else t.age end) / 1000.0)
  from (select n.now, ((n.now - l.objid::bigint) % 4294967296 + 4294967296) % 4294967296 as age
    from pg_locks l, lateral (select floor(extract(epoch from clock_timestamp()) * 1000)::bigint + 0 * l.objsubid as now) n
    where l.locktype = 'advisory' and l.objsubid = 2 and l.classid = p_tenant::oid and l.mode = 'ShareLock'
      and l.database = (select d.oid from pg_database d where d.datname = current_database())) t
$fn$;

-- moves open versions to history with what was derived from them; the rows of memories stay for the caller to update or delete
create or replace function close_memories(p_tenant integer, p_keys bigint[], p_now timestamptz) returns void language plpgsql security invoker as $fn$
begin
  insert into memory_versions select m.*, p_now, pg_current_xact_id(), 'closed' from memories m where m.tenant_id = p_tenant and m.memory_key = any (p_keys);
  with gone as (
    delete from postings p where p.tenant_id = p_tenant and p.memory_key = any (p_keys) returning p.*)
  insert into closed_postings select g.*, m.version, m.recorded_at, p_now from gone g join memories m on m.tenant_id = p_tenant and m.memory_key = g.memory_key;
  with gone as (
    delete from vectors v where v.tenant_id = p_tenant and v.memory_key = any (p_keys) returning v.*)
  insert into closed_vectors select g.*, p_now from gone g;
end $fn$;
`
