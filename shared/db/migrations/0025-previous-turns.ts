/**
 * Vectors of a memory with the turn before it (vectors.context_key, context_version). Where that turn changes or goes, such a vector goes in the same transaction, and
 * the memory waits for another: by a trigger, so that no way of changing a memory can forget it. vector_pending.after_key names the turn whose event brings it.
 */
const said = (row: string) => `(${['text', 'speaker', 'session_key', 'occurred_at', 'expires_at'].map((name) => `${row}.${name}`).join(', ')})`

export const sql = /* sql */ `
set local role soma_owner;

alter table vector_pending add column after_key bigint;
create index vector_pending_after on vector_pending (tenant_id, after_key) where after_key is not null;
-- what is erased one day is looked for here as well
create index closed_vectors_context on closed_vectors (tenant_id, context_key) where context_key is not null;

-- the vectors that hold something of these turns go; whose they were waits again
create function drop_contexts(p_tenant integer, p_keys bigint[]) returns void language plpgsql security invoker as $fn$
begin
  if cardinality(p_keys) = 0 then return; end if;
  with gone as (
    delete from vectors v where v.tenant_id = p_tenant and v.context_key = any (p_keys) returning v.memory_key, v.context_key)
  insert into vector_pending (tenant_id, memory_key, namespace_key, user_key, version, queued_at, after_key)
    select distinct on (m.memory_key) p_tenant, m.memory_key, m.namespace_key, m.user_key, m.version, change_instant(), g.context_key
    from gone g join memories m on m.tenant_id = p_tenant and m.memory_key = g.memory_key order by m.memory_key
    on conflict (tenant_id, memory_key) do update set after_key = excluded.after_key;
end $fn$;

create function follow_gone_turns() returns trigger language plpgsql security invoker as $fn$
declare
  v_tenant integer := nullif(current_setting('soma.tenant', true), '')::integer;
begin
  perform drop_contexts(v_tenant, array(select o.memory_key from before_rows o where o.session_key is not null));
  return null;
end $fn$;

-- a version that says the same (another tag, a supersession) is the same turn
create function follow_changed_turns() returns trigger language plpgsql security invoker as $fn$
declare
  v_tenant integer := nullif(current_setting('soma.tenant', true), '')::integer;
  v_changed bigint[];
  v_same bigint[];
  v_version integer[];
begin
  -- grouped and not joined: the plan that is kept was made for the first change of a session, mostly of one row, and would read each row for each
  select array_agg(t.memory_key) filter (where t.changed), array_agg(t.memory_key order by t.memory_key) filter (where not t.changed),
      array_agg(t.version order by t.memory_key) filter (where not t.changed)
    into v_changed, v_same, v_version
    from (select x.memory_key, max(x.version) as version, count(distinct x.said) > 1 as changed
      from (select o.memory_key, o.version, o.session_key, ${said('o')} as said from before_rows o
        union all select n.memory_key, n.version, n.session_key, ${said('n')} from after_rows n) x
      group by x.memory_key having bool_or(x.session_key is not null) and count(distinct x.version) > 1) t;
  if v_changed is not null then
    perform drop_contexts(v_tenant, v_changed);
  end if;
  if v_same is not null then
    update vectors v set context_version = s.version from unnest(v_same, v_version) s (memory_key, version)
      where v.tenant_id = v_tenant and v.context_key = any (v_same) and v.context_key = s.memory_key;
  end if;
  return null;
end $fn$;

create trigger follow_gone_turns after delete on memories referencing old table as before_rows for each statement execute function follow_gone_turns();
create trigger follow_changed_turns after update on memories referencing old table as before_rows new table as after_rows for each statement
  execute function follow_changed_turns();

-- by line of an import that was written: its vector was made behind a turn, {context_id, context_version}; closed names the version that it is of, where that is
-- closed. A turn that is not here as that version is not the one that was embedded: such a vector goes, and its memory waits
create function take_contexts(p_tenant integer, p_status text[], p_contexts jsonb) returns void language plpgsql security invoker as $fn$
declare
  r record;
  c record;
begin
  for r in select x.closed, x.context_id, x.context_version, coalesce(
        (select m.memory_key from memories m where m.tenant_id = p_tenant and m.id = x.id),
        (select v.memory_key from memory_versions v where v.tenant_id = p_tenant and v.id = x.id limit 1)) as memory_key
      from jsonb_to_recordset(p_contexts) x (i integer, id uuid, closed integer, context_id uuid, context_version integer) where p_status[x.i] = '' loop
    select m.memory_key, m.version into c from memories m where m.tenant_id = p_tenant and m.id = r.context_id;
    if r.closed is not null then
      -- its turn was that of then
      if c.memory_key is null then
        delete from closed_vectors v where v.tenant_id = p_tenant and v.memory_key = r.memory_key and v.version = r.closed;
      else
        update closed_vectors v set context_key = c.memory_key, context_version = r.context_version
          where v.tenant_id = p_tenant and v.memory_key = r.memory_key and v.version = r.closed;
      end if;
    elsif c.version = r.context_version then
      update vectors v set context_key = c.memory_key, context_version = c.version where v.tenant_id = p_tenant and v.memory_key = r.memory_key;
    else
      delete from vectors v where v.tenant_id = p_tenant and v.memory_key = r.memory_key;
      insert into vector_pending (tenant_id, memory_key, namespace_key, user_key, version, queued_at)
        select p_tenant, m.memory_key, m.namespace_key, m.user_key, m.version, change_instant() from memories m where m.tenant_id = p_tenant and m.memory_key = r.memory_key
        on conflict (tenant_id, memory_key) do nothing;
    end if;
  end loop;
end $fn$;
grant update (context_key, context_version) on closed_vectors to soma_app, soma_worker;
`
