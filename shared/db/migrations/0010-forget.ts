/** Forgetting, by id, by filter and by time: one set-based function, so that all three leave the same traces and none. */
export const sql = /* sql */ `
set local role soma_owner;

-- rows are locked by the caller. Each gets a tombstone, a version of its own; its links go with it, each with an event. Answers how many
create function forget_keys(p_tenant integer, p_keys bigint[], p_call jsonb) returns integer language plpgsql security invoker as $fn$
declare
  v_now timestamptz;
  old memories;
  v_forgotten integer := 0;
begin
  select greatest(change_instant(), max(m.recorded_at)) into v_now from memories m where m.tenant_id = p_tenant and m.memory_key = any (p_keys);
  insert into usage_deltas (tenant_id, namespace_key, user_key, session_key, at, memories, episodic, semantic, procedural, bytes, terms)
    select p_tenant, m.namespace_key, m.user_key, m.session_key, v_now, -count(*), -count(*) filter (where m.memory_type = 'episodic'),
      -count(*) filter (where m.memory_type = 'semantic'), -count(*) filter (where m.memory_type = 'procedural'), -sum(m.bytes), -sum(m.term_count)
    from memories m where m.tenant_id = p_tenant and m.memory_key = any (p_keys) group by m.namespace_key, m.user_key, m.session_key;
  -- links that the other end put there are its business too: whoever follows events hears that they are gone
  with gone as (
    delete from links l where l.tenant_id = p_tenant and (l.from_key = any (p_keys) or l.to_key = any (p_keys)) returning l.*)
  insert into outbox (tenant_id, event_id, type, id, version, body, traceparent, created_at, next_attempt_at)
    select p_tenant, gen_random_uuid(), 'unlinked', g.id, g.version + 1,
      jsonb_build_object('namespace', f.namespace, 'payload', jsonb_build_object('from', f.id, 'to', t.id, 'type', g.type, 'weight', g.weight, 'metadata', g.metadata)),
      p_call->>'traceparent', v_now, v_now
    from gone g join memories f on f.tenant_id = p_tenant and f.memory_key = g.from_key join memories t on t.tenant_id = p_tenant and t.memory_key = g.to_key;
  perform close_memories(p_tenant, p_keys, v_now);
  delete from vector_pending q where q.tenant_id = p_tenant and q.memory_key = any (p_keys);
  for old in delete from memories m where m.tenant_id = p_tenant and m.memory_key = any (p_keys) returning m.* loop
    v_forgotten := v_forgotten + 1;
    old.version := old.version + 1; old.text := ''; old.payload := null; old.messages := null; old.metadata := '{}'; old.tags := '{}';
    old.recorded_at := v_now; old.created_xid := pg_current_xact_id();
    insert into memory_versions select old.*, v_now, pg_current_xact_id(), 'deleted';
    insert into outbox (tenant_id, event_id, type, id, memory_key, version, traceparent, created_at, next_attempt_at)
      values (p_tenant, gen_random_uuid(), 'deleted', old.id, old.memory_key, old.version, p_call->>'traceparent', v_now, v_now);
  end loop;
  if v_forgotten > 0 then
    insert into outbox_ready (tenant_id, not_before) values (p_tenant, v_now);
    insert into audit_log (tenant_id, at, actor, action, target, request_id, detail)
      select p_tenant, v_now, p_call->>'actor', p_call->>'action', case when count(*) = 1 then min(v.id::text) end, p_call->>'request_id',
        case when count(*) > 1 then jsonb_build_object('ids', jsonb_agg(v.id order by v.memory_key)) end
      from memory_versions v where v.tenant_id = p_tenant and v.memory_key = any (p_keys) and v.recorded_at = v_now and v.state = 'deleted';
  end if;
  return v_forgotten;
end $fn$;

create or replace function forget_memory(p_tenant integer, p_id uuid, p_if_version integer, p_call jsonb) returns jsonb language plpgsql security invoker as $fn$
declare
  old memories;
  claimed jsonb;
begin
  perform mark_change(p_tenant);
  if p_call->>'key' is not null then
    claimed := claim_idempotency(p_tenant, p_call->>'key', decode(p_call->>'hash', 'hex'));
    if claimed is not null then return claimed; end if;
  end if;
  select * into old from memories m where m.tenant_id = p_tenant and m.id = p_id and (m.expires_at is null or m.expires_at > now()) for update;
  if not found then return '{"problem":"not_found"}'; end if;
  if p_if_version is not null and p_if_version <> old.version then return jsonb_build_object('problem', 'precondition_failed', 'version', old.version); end if;
  perform forget_keys(p_tenant, array[old.memory_key], p_call);
  if p_call->>'key' is not null then
    insert into idempotency (tenant_id, key, request_hash, status, result, created_at)
      values (p_tenant, p_call->>'key', decode(p_call->>'hash', 'hex'), 204, jsonb_build_object('id', p_id, 'version', old.version + 1), change_instant());
  end if;
  return jsonb_build_object('version', old.version + 1);
end $fn$;
drop function forget_memory(integer, uuid, integer, uuid, jsonb);

-- the next memories of a tenant whose time is over; what is locked at the moment is left for the next run
create function expire_memories(p_tenant integer, p_most integer, p_call jsonb) returns integer language plpgsql security invoker as $fn$
declare v_keys bigint[];
begin
  perform mark_change(p_tenant);
  v_keys := array(select m.memory_key from memories m where m.tenant_id = p_tenant and m.expires_at <= now() order by m.expires_at limit p_most for update skip locked);
  if cardinality(v_keys) = 0 then return 0; end if;
  return forget_keys(p_tenant, v_keys, p_call);
end $fn$;
`
