/** store_memories with instants that as_of can rely on, and with its sessions by name and number. What it takes and answers is as before. */
export const sql = /* sql */ `
set local role soma_owner;

create or replace function store_memories(p_tenant integer, p_items jsonb, p_call jsonb, p_term_item integer[], p_term text[], p_term_tf smallint[])
returns jsonb language plpgsql security invoker as $fn$
declare
  v_now timestamptz;
  v_items item_in[];
  v_placed item_placed[];
  v_results jsonb := '[]';
  v_done integer[] := '{}';
  claimed jsonb;
  problem text;
  r record;
begin
  perform mark_change(p_tenant);
  if p_call->>'key' is not null then
    claimed := claim_idempotency(p_tenant, p_call->>'key', decode(p_call->>'hash', 'hex'));
    if claimed is not null then return claimed; end if;
  end if;
  v_items := array(select x::item_in from jsonb_populate_recordset(null::item_in, p_items) x);

  if (p_call->>'has_keys')::boolean then
    for r in select x.i, x.item_key, x.item_hash from unnest(v_items) x where x.item_key is not null order by x.item_key loop
      claimed := claim_idempotency(p_tenant, r.item_key, decode(r.item_hash, 'hex'));
      continue when claimed is null;
      v_done := v_done || r.i;
      v_results := v_results || (case when claimed ? 'problem' then jsonb_build_object('i', r.i, 'status', 'failed', 'problem', claimed->>'problem')
        else jsonb_build_object('i', r.i, 'status', 'duplicate', 'id', claimed->'replayed'->'result'->>'id', 'version', (claimed->'replayed'->'result'->>'version')::int) end);
    end loop;
  end if;

  insert into scopes (tenant_id, namespace, user_id)
    select p_tenant, x.namespace, u.user_id from unnest(v_items) x cross join lateral (values (null::text), (x.user_id)) u (user_id)
    -- not \`is not distinct from\`: no index serves that, and a namespace may have a million users
    where case when u.user_id is null then not exists (select from scopes s where s.tenant_id = p_tenant and s.namespace = x.namespace and s.user_id is null)
      else not exists (select from scopes s where s.tenant_id = p_tenant and s.namespace = x.namespace and s.user_id = u.user_id) end
    group by x.namespace, u.user_id order by x.namespace, u.user_id
    on conflict do nothing;

  insert into sessions (tenant_id, session_key, namespace_key, user_key, user_id, agent_id, app_id, run_id, session_id)
    select distinct on (x.session_key) p_tenant, x.session_key, n.scope_key, u.scope_key, x.user_id, x.agent_id, x.app_id, x.run_id, x.session_id
    from unnest(v_items) x join scopes n on n.tenant_id = p_tenant and n.namespace = x.namespace and n.user_id is null
    left join scopes u on u.tenant_id = p_tenant and u.namespace = x.namespace and u.user_id = x.user_id
    -- no look before it: measured, that was planned as a read of all the tenant's sessions for each item
    where x.session_key is not null order by x.session_key on conflict do nothing;

  if (p_call->>'has_coords')::boolean then
    -- writers of one coord take turns; in sorted order, so that two bulks cannot wait for each other
    for r in select distinct hashtextextended(p_tenant || ':' || x.namespace || ':' || x.coord, 11) as h from unnest(v_items) x
        where x.coord is not null and x.target_key is null order by 1 loop
      perform pg_advisory_xact_lock(r.h);
    end loop;
    -- first the locks, then a fresh look: a version that somebody else committed while this waited is the one that is followed
    perform 1 from memories m where m.tenant_id = p_tenant and m.memory_key in (
        select x.target_key from unnest(v_items) x where x.target_key is not null
        union all
        select o.memory_key from unnest(v_items) x join scopes s on s.tenant_id = p_tenant and s.namespace = x.namespace and s.user_id is null
          join memories o on o.tenant_id = p_tenant and o.namespace_key = s.scope_key and o.coord = x.coord where x.target_key is null)
      order by m.memory_key for update;
    v_now := change_instant();
    -- a version never begins before the one it closes, whatever a clock did
    select greatest(v_now, max(m.recorded_at)) into v_now from memories m where m.tenant_id = p_tenant and m.memory_key in (
        select x.target_key from unnest(v_items) x where x.target_key is not null
        union all
        select o.memory_key from unnest(v_items) x join scopes s on s.tenant_id = p_tenant and s.namespace = x.namespace and s.user_id is null
          join memories o on o.tenant_id = p_tenant and o.namespace_key = s.scope_key and o.coord = x.coord where x.target_key is null);
    v_placed := array(
      select row(x.i, coalesce(m.memory_key, first_value(x.fresh_key) over same_place), coalesce(m.id, first_value(x.id) over same_place),
          coalesce(m.version, 0) + row_number() over same_place, coalesce(m.created_at, v_now), m.version,
          x.i = last_value(x.i) over (same_place rows between unbounded preceding and unbounded following), n.scope_key, u.scope_key)::item_placed
      from (select o.*, nextval('memory_key_seq') as fresh_key from unnest(v_items) o offset 0) x
      join scopes n on n.tenant_id = p_tenant and n.namespace = x.namespace and n.user_id is null
      left join scopes u on u.tenant_id = p_tenant and u.namespace = x.namespace and u.user_id = x.user_id
      left join lateral (
        select o.memory_key, o.id, o.version, o.created_at from memories o
        where o.tenant_id = p_tenant and x.target_key is null and o.namespace_key = n.scope_key and o.coord = x.coord
        union all
        select o.memory_key, o.id, o.version, o.created_at from memories o where o.tenant_id = p_tenant and o.memory_key = x.target_key) m on true
      where x.i <> all (v_done)
      window same_place as (partition by x.namespace, coalesce(x.coord, 'i' || x.i), x.coord is null order by x.i));
    perform close_memories(p_tenant, array(select distinct p.memory_key from unnest(v_placed) p where p.base_version is not null), v_now);
  else
    v_now := change_instant();
    v_placed := array(
      select row(x.i, nextval('memory_key_seq'), x.id, 1, v_now, null, true, n.scope_key, u.scope_key)::item_placed
      from unnest(v_items) x
      join scopes n on n.tenant_id = p_tenant and n.namespace = x.namespace and n.user_id is null
      left join scopes u on u.tenant_id = p_tenant and u.namespace = x.namespace and u.user_id = x.user_id
      where x.i <> all (v_done));
  end if;

  if exists (select from unnest(v_placed) p where not p.is_last) then
    insert into memory_versions
      select p_tenant, p.memory_key, p.id, p.version, p.namespace_key, p.user_key, x.session_key, x.tokenizer, x.term_count, x.bytes, x.importance, p.created_at, v_now,
        pg_current_xact_id(), x.occurred_at, x.valid_from, x.valid_to, x.expires_at, x.supersedes, x.superseded_by, x.namespace, x.user_id, x.agent_id, x.app_id, x.run_id,
        x.session_id, x.coord, x.memory_type, x.language, x.speaker, x.text, x.payload, x.messages, x.metadata, x.tags, v_now, pg_current_xact_id(), 'closed'
      from unnest(v_placed) p join unnest(v_items) x on x.i = p.i where not p.is_last;
  end if;
  if exists (select from unnest(v_placed) p where p.base_version is not null) then
    insert into usage_deltas (tenant_id, namespace_key, user_key, session_key, at, memories, episodic, semantic, procedural, bytes, terms)
      select p_tenant, m.namespace_key, m.user_key, m.session_key, v_now, -1, -(m.memory_type = 'episodic')::int, -(m.memory_type = 'semantic')::int,
        -(m.memory_type = 'procedural')::int, -m.bytes, -m.term_count
      from memories m where m.tenant_id = p_tenant and m.memory_key in (select p.memory_key from unnest(v_placed) p where p.base_version is not null);
    -- in place and not by delete and insert: who waits for this row's lock must find the row again
    update memories m set version = p.version, namespace_key = p.namespace_key, user_key = p.user_key, session_key = x.session_key, tokenizer = x.tokenizer, term_count = x.term_count,
        bytes = x.bytes, importance = x.importance, recorded_at = v_now, created_xid = pg_current_xact_id(), occurred_at = x.occurred_at, valid_from = x.valid_from, valid_to = x.valid_to,
        expires_at = x.expires_at, supersedes = x.supersedes, superseded_by = x.superseded_by, namespace = x.namespace, user_id = x.user_id, agent_id = x.agent_id, app_id = x.app_id,
        run_id = x.run_id, session_id = x.session_id, coord = x.coord, memory_type = x.memory_type, language = x.language, speaker = x.speaker, text = x.text, payload = x.payload,
        messages = x.messages, metadata = x.metadata, tags = x.tags
      from unnest(v_placed) p join unnest(v_items) x on x.i = p.i
      where m.tenant_id = p_tenant and m.memory_key = p.memory_key and p.is_last and p.base_version is not null;
  end if;
  insert into memories
    select p_tenant, p.memory_key, p.id, p.version, p.namespace_key, p.user_key, x.session_key, x.tokenizer, x.term_count, x.bytes, x.importance, p.created_at, v_now,
      pg_current_xact_id(), x.occurred_at, x.valid_from, x.valid_to, x.expires_at, x.supersedes, x.superseded_by, x.namespace, x.user_id, x.agent_id, x.app_id, x.run_id,
      x.session_id, x.coord, x.memory_type, x.language, x.speaker, x.text, x.payload, x.messages, x.metadata, x.tags
    from unnest(v_placed) p join unnest(v_items) x on x.i = p.i where p.is_last and p.base_version is null;
  insert into postings
    select p_tenant, p.namespace_key, p.memory_key, p.user_key, t.tf, least(x.term_count, 32767), t.term
    from unnest(p_term_item, p_term, p_term_tf) t (i, term, tf) join unnest(v_placed) p on p.i = t.i join unnest(v_items) x on x.i = t.i where p.is_last;
  insert into vector_pending (tenant_id, memory_key, namespace_key, user_key, version, queued_at)
    select p_tenant, p.memory_key, p.namespace_key, p.user_key, p.version, v_now from unnest(v_placed) p where p.is_last
    on conflict (tenant_id, memory_key) do update set version = excluded.version, namespace_key = excluded.namespace_key, user_key = excluded.user_key;
  insert into outbox (tenant_id, event_id, type, id, memory_key, version, traceparent, created_at, next_attempt_at)
    select p_tenant, x.event_id, case when p.version = 1 then 'created' else 'updated' end, p.id, p.memory_key, p.version, p_call->>'traceparent', v_now, v_now
    from unnest(v_placed) p join unnest(v_items) x on x.i = p.i order by p.i;

  if (p_call->>'has_supersedes')::boolean then
    for r in select p.i, p.id, x.supersedes, coalesce(x.valid_from, v_now) as until from unnest(v_placed) p join unnest(v_items) x on x.i = p.i
        where x.supersedes is not null and x.target_key is null order by x.supersedes loop
      problem := supersede_memory(p_tenant, r.supersedes, r.id, r.until, v_now, p_call->>'traceparent');
      if problem is not null then
        raise exception using errcode = 'SM001', message = problem, detail = r.i::text;
      end if;
    end loop;
  end if;

  if array_length(v_placed, 1) > 0 then
    insert into outbox_ready (tenant_id, not_before) values (p_tenant, v_now);
    insert into usage_deltas (tenant_id, namespace_key, user_key, session_key, at, stores, memories, episodic, semantic, procedural, bytes, terms)
      select p_tenant, p.namespace_key, p.user_key, x.session_key, v_now, count(*), count(*) filter (where p.is_last), count(*) filter (where p.is_last and x.memory_type = 'episodic'),
        count(*) filter (where p.is_last and x.memory_type = 'semantic'), count(*) filter (where p.is_last and x.memory_type = 'procedural'),
        coalesce(sum(x.bytes) filter (where p.is_last), 0), coalesce(sum(x.term_count) filter (where p.is_last), 0)
      from unnest(v_placed) p join unnest(v_items) x on x.i = p.i group by p.namespace_key, p.user_key, x.session_key;
    insert into audit_log (tenant_id, at, actor, action, target, request_id, detail)
      select p_tenant, v_now, p_call->>'actor', p_call->>'action', case when count(*) = 1 then min(p.id::text) end, p_call->>'request_id',
        case when count(*) > 1 then jsonb_build_object('ids', jsonb_agg(p.id order by p.i)) end
      from unnest(v_placed) p;
  end if;
  v_results := v_results || coalesce((select jsonb_agg(jsonb_build_object('i', p.i, 'id', p.id, 'version', p.version, 'memory_key', p.memory_key,
      'status', case when p.version = 1 then 'created' else 'updated' end,
      'created_at', to_char(p.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'updated_at', to_char(v_now at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) order by p.i)
    from unnest(v_placed) p), '[]');
  if (p_call->>'has_keys')::boolean then
    insert into idempotency (tenant_id, key, request_hash, status, result, created_at)
      select p_tenant, x.item_key, decode(x.item_hash, 'hex'), 201, jsonb_build_object('id', p.id, 'version', p.version), v_now
      from unnest(v_placed) p join unnest(v_items) x on x.i = p.i where x.item_key is not null;
  end if;
  if p_call->>'key' is not null then
    insert into idempotency (tenant_id, key, request_hash, status, result, created_at)
      values (p_tenant, p_call->>'key', decode(p_call->>'hash', 'hex'), (case when (p_call->>'bulk')::boolean then 200 when v_results->0->>'status' = 'created' then 201 else 200 end),
        coalesce((select jsonb_agg(e - 'memory_key' - 'created_at' - 'updated_at' order by (e->>'i')::int) from jsonb_array_elements(v_results) e), '[]'), v_now);
  end if;
  return jsonb_build_object('results', v_results);
end $fn$;
`
