/**
 * Limits of a tenant, and quotas that hold over all processes. Room below a limit is set aside in blocks, rows of quota_blocks; a transaction that stores draws from a
 * block that nobody else has locked, so stores of one tenant do not wait for each other, and what is rolled back was never drawn. When no block has enough,
 * the tenant's use is counted exactly and a block is filled again, one transaction at a time. Blocks never hold more than what is left, so no limit is
 * passed; when little is left they are emptied first, so nobody is refused while there is room. No process holds anything: one that dies takes nothing with it.
 */
const limits = ['daily_writes', 'memories', 'bytes']
const used = /* sql */ `
  select array[coalesce((select sum(c.stores) from (
      select u.stores from usage_hours u where u.tenant_id = v_tenant and u.hour >= v_day::timestamp at time zone 'UTC'
      union all select d.stores from usage_deltas d where d.tenant_id = v_tenant and d.at >= v_day::timestamp at time zone 'UTC') c), 0), coalesce(h.memories, 0), coalesce(h.bytes, 0)],
    array[coalesce(a.writes, 0), coalesce(a.memories, 0), coalesce(a.bytes, 0)] into v_used, v_aside
  from (select sum(c.memories) as memories, sum(c.bytes) as bytes from (
      -- the coalesce is the predicate of the index scopes_namespaces
      select t.memories, t.bytes from scopes s
        cross join lateral (select * from scope_stats c where c.tenant_id = v_tenant and c.scope_key = s.scope_key offset 0) t where s.tenant_id = v_tenant and coalesce(s.user_id, '') = ''
      union all select d.memories, d.bytes from usage_deltas d where d.tenant_id = v_tenant) c) h,
    (select sum(b.writes) filter (where b.day = v_day) as writes, sum(b.memories) as memories, sum(b.bytes) as bytes from quota_blocks b where b.tenant_id = v_tenant) a;`

export const sql = /* sql */ `
set local role soma_owner;

-- a tenant's own limits by name; what is absent goes by the defaults of the process
alter table tenants add column limits jsonb not null default '{}' check (jsonb_typeof(limits) = 'object');

create table quota_blocks (
  tenant_id integer not null,
  block smallint not null,
  -- the limits under which it was filled: under others it is emptied first
  under text not null,
  day date not null,
  writes bigint not null,
  memories bigint not null,
  bytes bigint not null,
  primary key (tenant_id, block)
) with (fillfactor = 50);
alter table quota_blocks enable row level security;
alter table quota_blocks force row level security;
create policy own_tenant on quota_blocks to soma_app, soma_worker
  using (tenant_id = nullif(current_setting('soma.tenant', true), '')::integer) with check (tenant_id = nullif(current_setting('soma.tenant', true), '')::integer);
grant select, insert, update, delete on quota_blocks to soma_app;
grant select on quota_blocks to soma_worker;

-- daily writes, memories, bytes: null is no limit
create function quota_limits(v_own jsonb) returns bigint[] language plpgsql stable security invoker as $fn$
declare
  v_default jsonb := nullif(current_setting('soma.quota_defaults', true), '')::jsonb;
begin
  return array[${limits.map((name) => `case when v_own ? '${name}' then case when jsonb_typeof(v_own->'${name}') = 'number' then (v_own->>'${name}')::bigint end else (v_default->>'${name}')::bigint end`).join(',\n    ')}];
end $fn$;

-- takes it from a block that has enough and that nobody else draws from; answers whether there was one
create function draw_block(p_tenant integer, p_under text, p_day date, p_need bigint[]) returns boolean language plpgsql security invoker as $fn$
begin
  update quota_blocks q set writes = q.writes - p_need[1], memories = q.memories - p_need[2], bytes = q.bytes - p_need[3]
    where q.tenant_id = p_tenant and q.block = (
      select b.block from quota_blocks b where b.tenant_id = p_tenant and b.under = p_under and b.memories >= p_need[2] and b.bytes >= p_need[3]
        and (p_need[1] = 0 or b.day = p_day and b.writes >= p_need[1])
      limit 1 for update skip locked);
  return found;
end $fn$;

-- fills a block for a change that is counted among the used already, or refuses it
create function fill_quota(v_tenant integer, v_day date, p_need bigint[]) returns void language plpgsql security invoker as $fn$
declare
  v_limits bigint[];
  v_under text;
  v_used bigint[];
  v_aside bigint[];
  v_free bigint[] := '{0,0,0}';
  v_block smallint;
  v_most constant bigint[] := '{1000,1000,16777216}';
begin
  -- until the end of this transaction: whoever fills next counts what this one stores
  perform pg_advisory_xact_lock(hashtextextended('soma quota ' || current_schema() || ' ' || v_tenant, 20));
  select quota_limits(t.limits) into v_limits from tenants t where t.tenant_id = v_tenant;
  v_under := array_to_string(v_limits, '/', '-');
  -- somebody may have filled one meanwhile, or given one free
  if draw_block(v_tenant, v_under, v_day, p_need) then return; end if;
  ${used}
  if v_used[1] + v_aside[1] > v_limits[1] or v_used[2] + v_aside[2] > v_limits[2] or v_used[3] + v_aside[3] > v_limits[3]
      or exists (select from quota_blocks b where b.tenant_id = v_tenant and b.under <> v_under) then
    -- what is set aside is needed, or was under other limits: waits for those that draw at this moment, takes it all back and counts again
    perform 1 from quota_blocks b where b.tenant_id = v_tenant order by b.block for update;
    update quota_blocks b set writes = 0, memories = 0, bytes = 0, under = v_under where b.tenant_id = v_tenant;
    ${used}
    for i in 1..3 loop
      if v_used[i] > v_limits[i] and p_need[i] > 0 then
        raise exception using errcode = 'SM002', message = 'a quota is used up', detail = jsonb_build_object('quota', (array['${limits.join("','")}'])[i], 'limit', v_limits[i],
          'left', greatest(0, v_limits[i] - v_used[i] + p_need[i]), 'reset', ceil(extract(epoch from (v_day + 1)::timestamp at time zone 'UTC' - clock_timestamp())))::text;
      end if;
    end loop;
  end if;
  for i in 1..3 loop
    -- smaller and smaller towards the limit, so that what is set aside for others is never much
    v_free[i] := case when v_limits[i] is null then 0 else greatest(0, least(greatest(v_most[i], 20 * p_need[i]), (v_limits[i] - v_used[i] - v_aside[i]) / 16)) end;
  end loop;
  if v_free = '{0,0,0}' then return; end if;
  select b.block into v_block from quota_blocks b where b.tenant_id = v_tenant order by b.block limit 1 for update skip locked;
  if found then
    update quota_blocks b set memories = b.memories + v_free[2], bytes = b.bytes + v_free[3], day = greatest(b.day, v_day),
      writes = case when b.day = v_day then b.writes + v_free[1] when b.day < v_day then v_free[1] else b.writes end
      where b.tenant_id = v_tenant and b.block = v_block;
  else
    insert into quota_blocks (tenant_id, block, under, day, writes, memories, bytes)
      select v_tenant, coalesce(max(b.block), 0) + 1, v_under, v_day, v_free[1], v_free[2], v_free[3] from quota_blocks b where b.tenant_id = v_tenant;
  end if;
end $fn$;

create function draw_quota() returns trigger language plpgsql security invoker as $fn$
declare
  v_tenant integer := nullif(current_setting('soma.tenant', true), '')::integer;
  v_own jsonb;
  v_limits bigint[];
  v_change bigint[];
  v_credit bigint[];
  v_need bigint[];
  v_day date;
begin
  -- first of all, and by one look-up: a tenant without limits pays nothing else
  select t.limits into v_own from tenants t where t.tenant_id = v_tenant;
  if v_own = '{}' and coalesce(current_setting('soma.quota_defaults', true), '') = '' then return null; end if;
  select array[sum(n.stores), sum(n.memories), sum(n.bytes)], (max(n.at) at time zone 'UTC')::date into v_change, v_day from fresh n;
  if v_change is null or v_change[1] is null or v_change = '{0,0,0}' then return null; end if;
  v_limits := quota_limits(v_own);
  if v_limits = '{null,null,null}' then return null; end if;
  -- a version takes the room of the one that it closes: what this transaction has given back so far it may use itself
  v_credit := coalesce(nullif(current_setting('soma.quota_credit', true), ''), '{0,0,0}')::bigint[];
  v_need := array[v_change[1], greatest(0, v_change[2] - v_credit[2]), greatest(0, v_change[3] - v_credit[3])];
  if v_credit <> '{0,0,0}' or v_change[2] < 0 or v_change[3] < 0 then
    perform set_config('soma.quota_credit', array[0, greatest(0, v_credit[2] - v_change[2]), greatest(0, v_credit[3] - v_change[3])]::text, true);
  end if;
  for i in 1..3 loop
    if v_limits[i] is null then v_need[i] := 0; end if;
  end loop;
  if v_need = '{0,0,0}' then return null; end if;
  if not draw_block(v_tenant, array_to_string(v_limits, '/', '-'), v_day, v_need) then perform fill_quota(v_tenant, v_day, v_need); end if;
  return null;
end $fn$;

-- requests only: a restore loads as soma_worker what was allowed when it was stored
create trigger draw_quota after insert on usage_deltas referencing new table as fresh for each statement when (current_user = 'soma_app') execute function draw_quota();
`
