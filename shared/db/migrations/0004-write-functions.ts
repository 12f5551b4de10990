/**
 * The write path, as security invoker functions: one round trip, and their statements keep their plans for the life of a session
 * (measured: planning the same inserts anew costs more than running them).
 */
export const sql = /* sql */ `
set local role soma_owner;

-- moves open versions to history with what was derived from them; the rows of memories stay for the caller to update or delete
create function close_memories(p_tenant integer, p_keys bigint[], p_now timestamptz) returns void language plpgsql security invoker as $fn$
begin
  insert into memory_versions select m.*, p_now, pg_current_xact_id(), 'closed' from memories m where m.tenant_id = p_tenant and m.memory_key = any (p_keys);
  with gone as (
    delete from postings p where p.tenant_id = p_tenant and p.memory_key = any (p_keys) returning p.*)
  insert into closed_postings select g.*, m.version from gone g join memories m on m.tenant_id = p_tenant and m.memory_key = g.memory_key;
  with gone as (
    delete from vectors v where v.tenant_id = p_tenant and v.memory_key = any (p_keys) returning v.*)
  insert into closed_vectors select * from gone;
end $fn$;

-- gives back the record of a finished call, tells that one is running, or answers null: the caller goes on and holds the key until it commits
create function claim_idempotency(p_tenant integer, p_key text, p_hash bytea) returns jsonb language plpgsql security invoker as $fn$
declare found_row idempotency;
begin
  if not pg_try_advisory_xact_lock(hashtextextended(p_tenant || ':' || p_key, 7)) then
    return jsonb_build_object('problem', 'idempotency_in_progress');
  end if;
  select * into found_row from idempotency i where i.tenant_id = p_tenant and i.key = p_key;
  if not found then return null; end if;
  if found_row.created_at < now() - interval '24 hours' then
    delete from idempotency i where i.tenant_id = p_tenant and i.key = p_key;
    return null;
  end if;
  if found_row.request_hash <> p_hash then return jsonb_build_object('problem', 'idempotency_conflict'); end if;
  return jsonb_build_object('replayed', jsonb_build_object('status', found_row.status, 'result', found_row.result));
end $fn$;

create type item_in as (
  i integer, id uuid, event_id uuid, target_key bigint, namespace text, user_id text, agent_id text, app_id text, run_id text, session_id text, session_key bigint,
  coord text, memory_type text, language text, speaker text, text text, payload jsonb, messages jsonb, metadata jsonb, tags text[], importance double precision,
  occurred_at timestamptz, valid_from timestamptz, valid_to timestamptz, expires_at timestamptz, supersedes uuid, superseded_by uuid,
  tokenizer smallint, term_count integer, bytes integer, item_key text, item_hash text
);
-- an item with its place: base_* is the open version it follows, ordinal its place among the items of this call with the same coord
create type item_placed as (
  i integer, memory_key bigint, id uuid, version integer, created_at timestamptz, base_version integer, is_last boolean, namespace_key integer, user_key integer
);

-- the older memory's validity ends; its text, and so its words and vector, stay what they are
create function supersede_memory(p_tenant integer, p_old uuid, p_new uuid, p_until timestamptz, p_now timestamptz, p_trace text) returns text language plpgsql security invoker as $fn$
declare old memories;
begin
  -- a coord's next version that names its own memory
  if p_old = p_new then return 'invalid'; end if;
  select * into old from memories m where m.tenant_id = p_tenant and m.id = p_old for update;
  if not found then return 'not_found'; end if;
  if old.superseded_by is not null and old.superseded_by <> p_new then return 'conflict'; end if;
  insert into memory_versions select m.*, p_now, pg_current_xact_id(), 'closed' from memories m where m.tenant_id = p_tenant and m.memory_key = old.memory_key;
  insert into closed_postings select p.*, old.version from postings p where p.tenant_id = p_tenant and p.memory_key = old.memory_key;
  insert into closed_vectors select v.* from vectors v where v.tenant_id = p_tenant and v.memory_key = old.memory_key;
  update memories m set version = m.version + 1, recorded_at = p_now, created_xid = pg_current_xact_id(), superseded_by = p_new,
    valid_to = least(coalesce(m.valid_to, 'infinity'), p_until)
    where m.tenant_id = p_tenant and m.memory_key = old.memory_key;
  update vectors v set version = old.version + 1 where v.tenant_id = p_tenant and v.memory_key = old.memory_key and v.version = old.version;
  update vector_pending q set version = old.version + 1 where q.tenant_id = p_tenant and q.memory_key = old.memory_key;
  insert into outbox (tenant_id, event_id, type, id, memory_key, version, traceparent, created_at, next_attempt_at)
    values (p_tenant, gen_random_uuid(), 'updated', old.id, old.memory_key, old.version + 1, p_trace, p_now, p_now);
  return null;
end $fn$;

create function forget_memory(p_tenant integer, p_id uuid, p_if_version integer, p_event uuid, p_call jsonb) returns jsonb language plpgsql security invoker as $fn$
declare
  v_now timestamptz := date_trunc('milliseconds', now());
  old memories;
  claimed jsonb;
begin
  if p_call->>'key' is not null then
    claimed := claim_idempotency(p_tenant, p_call->>'key', decode(p_call->>'hash', 'hex'));
    if claimed is not null then return claimed; end if;
  end if;
  select * into old from memories m where m.tenant_id = p_tenant and m.id = p_id and (m.expires_at is null or m.expires_at > now()) for update;
  if not found then return '{"problem":"not_found"}'; end if;
  if p_if_version is not null and p_if_version <> old.version then return jsonb_build_object('problem', 'precondition_failed', 'version', old.version); end if;
  perform close_memories(p_tenant, array[old.memory_key], v_now);
  delete from vector_pending q where q.tenant_id = p_tenant and q.memory_key = old.memory_key;
  delete from memories m where m.tenant_id = p_tenant and m.memory_key = old.memory_key;
  old.version := old.version + 1; old.text := ''; old.payload := null; old.messages := null; old.metadata := '{}'; old.tags := '{}';
  old.recorded_at := v_now; old.created_xid := pg_current_xact_id();
  insert into memory_versions select old.*, v_now, pg_current_xact_id(), 'deleted';
  insert into outbox (tenant_id, event_id, type, id, memory_key, version, traceparent, created_at, next_attempt_at)
    values (p_tenant, p_event, 'deleted', old.id, old.memory_key, old.version, p_call->>'traceparent', v_now, v_now);
  insert into outbox_ready (tenant_id, not_before) values (p_tenant, v_now);
  insert into usage_deltas (tenant_id, namespace_key, user_key, at, memories, episodic, semantic, procedural, bytes, terms)
    values (p_tenant, old.namespace_key, old.user_key, v_now, -1, -(old.memory_type = 'episodic')::int, -(old.memory_type = 'semantic')::int,
      -(old.memory_type = 'procedural')::int, -old.bytes, -old.term_count);
  insert into audit_log (tenant_id, at, actor, action, target, request_id) values (p_tenant, v_now, p_call->>'actor', 'memory.forget', p_id::text, p_call->>'request_id');
  if p_call->>'key' is not null then
    insert into idempotency (tenant_id, key, request_hash, status, result, created_at)
      values (p_tenant, p_call->>'key', decode(p_call->>'hash', 'hex'), 204, jsonb_build_object('id', p_id, 'version', old.version), v_now);
  end if;
  return jsonb_build_object('version', old.version, 'namespace_key', old.namespace_key, 'user_key', old.user_key);
end $fn$;
`
