/** What an export wrote comes back, set by set: memories with their versions, and links. Each line is judged for itself. */
const compared = [
  'namespace',
  'user_id',
  'agent_id',
  'app_id',
  'run_id',
  'session_id',
  'coord',
  'memory_type',
  'language',
  'speaker',
  'text',
  'payload',
  'messages',
  'metadata',
  'tags',
  'importance',
  'occurred_at',
  'valid_from',
  'valid_to',
  'expires_at',
  'supersedes',
  'superseded_by',
]
/** Content without the times of storing: a source that has none gets new ones with every import of the same file. */
const same = (a: string, b: string) => `(${compared.map((name) => `${a}.${name}`).join(', ')}) is not distinct from (${compared.map((name) => `${b}.${name}`).join(', ')})`
const content = `x.occurred_at, x.valid_from, x.valid_to, x.expires_at, x.supersedes, x.superseded_by, x.namespace, x.user_id, x.agent_id, x.app_id, x.run_id,
      x.session_id, x.coord, x.memory_type, x.language, x.speaker, x.text, x.payload, x.messages, x.metadata, x.tags`

export const sql = /* sql */ `
set local role soma_owner;

-- i numbers the lines of a call from 1, g its memories: the versions of a memory stand before it and have its g
create type import_line as (
  i integer, g integer, kind text, id uuid, event_id uuid, version integer, created_at timestamptz, recorded_at timestamptz, closed_at timestamptz,
  namespace text, user_id text, agent_id text, app_id text, run_id text, session_id text, session_key bigint, coord text, memory_type text, language text, speaker text,
  text text, payload jsonb, messages jsonb, metadata jsonb, tags text[], importance double precision, occurred_at timestamptz, valid_from timestamptz, valid_to timestamptz,
  expires_at timestamptz, supersedes uuid, superseded_by uuid, tokenizer smallint, term_count integer, bytes integer, model_key smallint, indexed boolean, embedding text
);

-- answers what became of each line: '' when it was written, else duplicate, conflict, forgotten, gone, coord, orphan or newer.
-- p_call.partial is the id of a memory whose versions are so many that they, and it, come with later calls
create function import_memories(p_tenant integer, p_lines jsonb, p_call jsonb, p_term_line integer[], p_term text[], p_term_tf smallint[])
returns text[] language plpgsql security invoker as $fn$
declare
  v_now timestamptz;
  v_lines import_line[];
  v_kind text[];    -- by line
  v_status text[];
  v_group text[];   -- by memory: what becomes of it, and what is known of it here
  v_known bigint[];
  v_below integer[];
  v_key bigint[];
  v_open bigint[];  -- by line: the key under which its words are written
  v_closed bigint[];
  v_namespace integer[];
  v_user integer[];
  v_len integer[];
  v_version integer[];
  v_recorded timestamptz[];
  v_closed_at timestamptz[];
  r record;
begin
  perform mark_change(p_tenant);
  v_lines := array(select x::import_line from jsonb_populate_recordset(null::import_line, p_lines) x);
  -- writers of one coord take turns, as in store_memories
  for r in select distinct hashtextextended(p_tenant || ':' || x.namespace || ':' || x.coord, 11) as h from unnest(v_lines) x
      where x.coord is not null and x.kind = 'memory' order by 1 loop
    perform pg_advisory_xact_lock(r.h);
  end loop;
  v_now := change_instant();

  select array_agg(coalesce(o.memory_key, case when d.state = 'closed' then d.memory_key end) order by x.g),
    array_agg(case when x.kind = 'memory' then x.version else coalesce(o.version, 2147483647) end order by x.g),
    array_agg(case
      when exists (select from erasures e where e.tenant_id = p_tenant and e.kind = 'memory' and e.target = x.id::text) then 'gone'
      when o.memory_key is null and d.state = 'deleted' then 'forgotten'
      when o.memory_key is not null and x.kind = 'version' then 'known'
      when o.memory_key is not null then case when o.version = x.version and ${same('o', 'x')} then 'duplicate' else 'conflict' end
      when x.kind = 'version' then case when x.id = (p_call->>'partial')::uuid then 'partial' else 'orphan' end
      when x.coord is not null and exists (select from scopes s join memories c on c.tenant_id = p_tenant and c.namespace_key = s.scope_key and c.coord = x.coord
        where s.tenant_id = p_tenant and s.namespace = x.namespace and s.user_id is null) then 'coord'
      else 'new' end order by x.g)
    into v_known, v_below, v_group
  from (select distinct on (l.g) l.* from unnest(v_lines) l order by l.g, l.kind) x
  left join lateral (select m.* from memories m where m.tenant_id = p_tenant and m.id = x.id limit 1) o on true
  -- a tombstone is a memory's last version
  left join lateral (select v.memory_key, v.state from memory_versions v where v.tenant_id = p_tenant and v.id = x.id order by v.version desc limit 1) d on true;

  select array_agg(x.kind order by x.i), array_agg(case
      when x.kind = 'memory' then case when v_group[x.g] = 'new' then '' else v_group[x.g] end
      when v_group[x.g] not in ('new', 'duplicate', 'known', 'partial') then v_group[x.g]
      when x.version >= v_below[x.g] then 'newer'
      -- whether that memory is this one will be seen by its own line, which has not come yet
      when v.memory_key is null then case when v_group[x.g] = 'known' and x.id = (p_call->>'partial')::uuid then 'conflict' else '' end
      when v.state = 'closed' and ${same('v', 'x')} then 'duplicate'
      else 'conflict' end order by x.i)
    into v_kind, v_status
  from unnest(v_lines) x
  left join lateral (select o.* from memory_versions o where o.tenant_id = p_tenant and o.id = x.id and o.version = x.version limit 1) v on x.kind = 'version';
  if '' <> all (v_status) then return v_status; end if;

  insert into scopes (tenant_id, namespace, user_id)
    select p_tenant, x.namespace, u.user_id from unnest(v_lines) x cross join lateral (values (null::text), (x.user_id)) u (user_id)
    where v_status[x.i] = '' and case when u.user_id is null then not exists (select from scopes s where s.tenant_id = p_tenant and s.namespace = x.namespace and s.user_id is null)
      else not exists (select from scopes s where s.tenant_id = p_tenant and s.namespace = x.namespace and s.user_id = u.user_id) end
    group by x.namespace, u.user_id order by x.namespace, u.user_id
    on conflict do nothing;
  -- keys grow in the order of the file, so that what ties keeps its order
  v_key := array(select coalesce(v_known[s.g], nextval('memory_key_seq')) from generate_series(1, cardinality(v_group)) s (g));
  select array_agg(case when v_status[x.i] = '' and x.kind = 'memory' then v_key[x.g] end order by x.i),
    array_agg(case when v_status[x.i] = '' and x.kind = 'version' then v_key[x.g] end order by x.i),
    array_agg(n.scope_key order by x.i), array_agg(u.scope_key order by x.i), array_agg(least(x.term_count, 32767) order by x.i),
    array_agg(x.version order by x.i), array_agg(x.recorded_at order by x.i), array_agg(x.closed_at order by x.i)
    into v_open, v_closed, v_namespace, v_user, v_len, v_version, v_recorded, v_closed_at
  from unnest(v_lines) x
  left join lateral (select s.scope_key from scopes s where s.tenant_id = p_tenant and s.namespace = x.namespace and s.user_id is null limit 1) n on true
  left join lateral (select s.scope_key from scopes s where s.tenant_id = p_tenant and s.namespace = x.namespace and s.user_id = x.user_id limit 1) u on true;

  -- no anti join: planned while the table was small, it reads every session of the tenant for each line (measured: a third of the time at 2,000 sessions)
  insert into sessions (tenant_id, session_key, namespace_key, user_key, user_id, agent_id, app_id, run_id, session_id)
    select distinct on (x.session_key) p_tenant, x.session_key, v_namespace[x.i], v_user[x.i], x.user_id, x.agent_id, x.app_id, x.run_id, x.session_id
    from unnest(v_lines) x where v_status[x.i] = '' and x.session_key is not null order by x.session_key
    on conflict do nothing;

  if 'version' = any (v_kind) then
    insert into memory_versions
      select p_tenant, v_closed[x.i], x.id, x.version, v_namespace[x.i], v_user[x.i], x.session_key, x.tokenizer, x.term_count, x.bytes, x.importance, x.created_at, x.recorded_at,
        pg_current_xact_id(), ${content}, x.closed_at, pg_current_xact_id(), 'closed'
      from unnest(v_lines) x where v_closed[x.i] is not null;
    insert into closed_postings (tenant_id, namespace_key, memory_key, user_key, tf, len, term, version, recorded_at, closed_at)
      select p_tenant, v_namespace[t.i], v_closed[t.i], v_user[t.i], t.tf, v_len[t.i], t.term, v_version[t.i], v_recorded[t.i], v_closed_at[t.i]
      from unnest(p_term_line, p_term, p_term_tf) t (i, term, tf) where v_closed[t.i] is not null;
    insert into closed_vectors (tenant_id, model_key, namespace_key, user_key, memory_key, version, embedding, recorded_at, closed_at)
      select p_tenant, x.model_key, v_namespace[x.i], v_user[x.i], v_closed[x.i], x.version, x.embedding::halfvec, x.recorded_at, x.closed_at
      from unnest(v_lines) x where v_closed[x.i] is not null and x.model_key is not null;
  end if;

  insert into memories
    select p_tenant, v_open[x.i], x.id, x.version, v_namespace[x.i], v_user[x.i], x.session_key, x.tokenizer, x.term_count, x.bytes, x.importance, x.created_at, x.recorded_at,
      pg_current_xact_id(), ${content}
    from unnest(v_lines) x where v_open[x.i] is not null order by x.i;
  -- by subscript and not by join: a join of thousands of words with hundreds of wide rows is planned without knowing either number
  insert into postings (tenant_id, namespace_key, memory_key, user_key, tf, len, term)
    select p_tenant, v_namespace[t.i], v_open[t.i], v_user[t.i], t.tf, v_len[t.i], t.term
    from unnest(p_term_line, p_term, p_term_tf) t (i, term, tf) where v_open[t.i] is not null;
  insert into vectors (tenant_id, model_key, namespace_key, user_key, memory_key, version, embedding, recorded_at)
    select p_tenant, x.model_key, v_namespace[x.i], v_user[x.i], v_open[x.i], x.version, x.embedding::halfvec, x.recorded_at
    from unnest(v_lines) x where v_open[x.i] is not null and x.model_key is not null;
  insert into vector_pending (tenant_id, memory_key, namespace_key, user_key, version, queued_at)
    select p_tenant, v_open[x.i], v_namespace[x.i], v_user[x.i], x.version, v_now from unnest(v_lines) x where v_open[x.i] is not null and x.indexed is not true;

  insert into outbox (tenant_id, event_id, type, id, memory_key, version, traceparent, created_at, next_attempt_at)
    select p_tenant, x.event_id, case when x.version = 1 then 'created' else 'updated' end, x.id, v_open[x.i], x.version, p_call->>'traceparent', v_now, v_now
    from unnest(v_lines) x where v_open[x.i] is not null order by x.i;
  insert into outbox_ready (tenant_id, not_before) values (p_tenant, v_now);
  insert into usage_deltas (tenant_id, namespace_key, user_key, session_key, at, stores, memories, episodic, semantic, procedural, bytes, terms)
    select p_tenant, v_namespace[x.i], v_user[x.i], x.session_key, v_now, count(*), count(*), count(*) filter (where x.memory_type = 'episodic'),
      count(*) filter (where x.memory_type = 'semantic'), count(*) filter (where x.memory_type = 'procedural'), sum(x.bytes), sum(x.term_count)
    from unnest(v_lines) x where v_open[x.i] is not null group by v_namespace[x.i], v_user[x.i], x.session_key;
  insert into audit_log (tenant_id, at, actor, action, target, request_id, detail)
    select p_tenant, v_now, p_call->>'actor', 'memory.import', case when count(distinct x.id) = 1 then min(x.id::text) end, p_call->>'request_id',
      case when count(distinct x.id) > 1 then jsonb_build_object('ids', jsonb_agg(distinct x.id)) end
    from unnest(v_lines) x where v_status[x.i] = '';
  return v_status;
end $fn$;

-- versions that came with earlier calls, and whose memory did not come: nobody could reach them
create function drop_import(p_tenant integer, p_id uuid) returns integer language plpgsql security invoker as $fn$
declare
  v_key bigint;
  v_count integer;
begin
  perform mark_change(p_tenant);
  if exists (select from memories m where m.tenant_id = p_tenant and m.id = p_id) then return 0; end if;
  select v.memory_key into v_key from memory_versions v where v.tenant_id = p_tenant and v.id = p_id limit 1;
  if v_key is null or exists (select from memory_versions v where v.tenant_id = p_tenant and v.id = p_id and v.state = 'deleted') then return 0; end if;
  delete from closed_postings p where p.tenant_id = p_tenant and p.memory_key = v_key;
  delete from closed_vectors c where c.tenant_id = p_tenant and c.memory_key = v_key;
  delete from memory_versions v where v.tenant_id = p_tenant and v.memory_key = v_key;
  get diagnostics v_count = row_count;
  return v_count;
end $fn$;

create type import_link as (i integer, id uuid, event_id uuid, "from" uuid, "to" uuid, type text, weight double precision, metadata jsonb, created_at timestamptz);

-- answers what became of each line: '' when it was written, else duplicate, conflict, from or to (that end is not here)
create function import_links(p_tenant integer, p_links jsonb, p_call jsonb) returns text[] language plpgsql security invoker as $fn$
declare
  v_now timestamptz;
  v_links import_link[];
  v_status text[];
  v_from bigint[];
  v_to bigint[];
begin
  perform mark_change(p_tenant);
  v_links := array(select x::import_link from jsonb_populate_recordset(null::import_link, p_links) x);
  -- who forgets an end at this moment comes before or after all of this, so that no link is left without its ends
  perform 1 from memories m where m.tenant_id = p_tenant and m.id in (select x."from" from unnest(v_links) x union all select x."to" from unnest(v_links) x) order by m.memory_key for key share;
  v_now := change_instant();
  select array_agg(f.memory_key order by x.i), array_agg(t.memory_key order by x.i), array_agg(case
      when f.memory_key is null then 'from'
      when t.memory_key is null then 'to'
      when l.id is not null then case when (l.from_key, l.to_key, l.type, l.weight, l.metadata) is not distinct from (f.memory_key, t.memory_key, x.type, x.weight, x.metadata)
        then 'duplicate' else 'conflict' end
      when exists (select from links e where e.tenant_id = p_tenant and e.from_key = f.memory_key and e.to_key = t.memory_key and e.type = x.type) then 'conflict'
      else '' end order by x.i)
    into v_from, v_to, v_status
  from unnest(v_links) x
  left join lateral (select m.memory_key from memories m where m.tenant_id = p_tenant and m.id = x."from" limit 1) f on true
  left join lateral (select m.memory_key from memories m where m.tenant_id = p_tenant and m.id = x."to" limit 1) t on true
  left join lateral (select o.* from links o where o.tenant_id = p_tenant and o.id = x.id limit 1) l on true;
  if '' <> all (v_status) then return v_status; end if;

  insert into links (tenant_id, id, from_key, to_key, type, weight, metadata, version, created_at, recorded_at)
    select p_tenant, x.id, v_from[x.i], v_to[x.i], x.type, x.weight, x.metadata, 1, x.created_at, v_now from unnest(v_links) x where v_status[x.i] = '' order by x.i;
  insert into outbox (tenant_id, event_id, type, id, version, body, traceparent, created_at, next_attempt_at)
    select p_tenant, x.event_id, 'linked', x.id, 1, jsonb_build_object('namespace', m.namespace, 'payload',
        jsonb_build_object('from', x."from", 'to', x."to", 'type', x.type, 'weight', x.weight, 'metadata', x.metadata)), p_call->>'traceparent', v_now, v_now
    from unnest(v_links) x join memories m on m.tenant_id = p_tenant and m.memory_key = v_from[x.i] where v_status[x.i] = '' order by x.i;
  insert into outbox_ready (tenant_id, not_before) values (p_tenant, v_now);
  insert into audit_log (tenant_id, at, actor, action, target, request_id, detail)
    select p_tenant, v_now, p_call->>'actor', 'memory.import', case when count(*) = 1 then min(x.id::text) end, p_call->>'request_id',
      case when count(*) > 1 then jsonb_build_object('links', jsonb_agg(x.id order by x.i)) end
    from unnest(v_links) x where v_status[x.i] = '';
  return v_status;
end $fn$;
`
