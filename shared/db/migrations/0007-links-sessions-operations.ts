/** Links between memories, sessions with their counts, long-running operations, and what a read uses. */
const hashPartitions = 8
export const sql = /* sql */ `
set local role soma_owner;

-- typed, weighted, directed; weight is closeness. Ends are keys, not ids: a walk touches many of them
create table links (
  tenant_id integer not null,
  id uuid not null,
  from_key bigint not null,
  to_key bigint not null,
  type text collate "C" not null,
  weight double precision not null check (weight > 0 and weight < 'infinity'),
  metadata jsonb not null default '{}',
  version integer not null,
  created_at timestamptz not null,
  recorded_at timestamptz not null,
  primary key (tenant_id, id)
) partition by hash (tenant_id);
create unique index links_ends on links (tenant_id, from_key, to_key, type);
-- the strongest first, so that a hub of a hundred thousand links is read as far as it is asked for
create index links_out on links (tenant_id, from_key, weight desc, to_key) include (type);
create index links_in on links (tenant_id, to_key, weight desc, from_key) include (type);

-- what a session_key stands for; its numbers stand apart, as the rollup crosses tenants and may see no names
create table sessions (
  tenant_id integer not null,
  session_key bigint not null,
  namespace_key integer not null,
  user_key integer,
  user_id text,
  agent_id text,
  app_id text,
  run_id text,
  session_id text not null,
  primary key (tenant_id, session_key)
);
create index sessions_namespace on sessions (tenant_id, namespace_key, session_id, session_key);
create index sessions_user on sessions (tenant_id, user_key, session_id, session_key) where user_key is not null;
create table session_stats (
  tenant_id integer not null,
  session_key bigint not null,
  memories bigint not null default 0,
  bytes bigint not null default 0,
  last_at timestamptz not null,
  primary key (tenant_id, session_key)
);

alter table usage_deltas add column session_key bigint, add column recalls integer not null default 0;
-- a batch of reads that was flushed, so that flushing it again counts nothing
create table usage_batches (
  tenant_id integer not null,
  batch_id uuid not null,
  at timestamptz not null default now(),
  primary key (tenant_id, batch_id)
);

-- what outlives a request: who asked, how far it is, what came of it. Never text
create table operations (
  tenant_id integer not null,
  operation_id uuid not null,
  kind text not null,
  state text not null default 'pending' check (state in ('pending', 'running', 'succeeded', 'failed')),
  progress double precision not null default 0 check (progress between 0 and 1),
  request jsonb not null default '{}',
  result jsonb,
  problem jsonb,
  actor text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  lease_owner uuid,
  lease_expires_at timestamptz,
  primary key (tenant_id, operation_id)
);
create index operations_open on operations (tenant_id, created_at) where state in ('pending', 'running');

do $policies$
declare
  name text;
  part integer;
  own constant text := $$tenant_id = nullif(current_setting('soma.tenant', true), '')::integer$$;
begin
  for part in 0..${hashPartitions - 1} loop
    execute format('create table %I partition of links for values with (modulus ${hashPartitions}, remainder %s)', 'links_p' || part, part);
    execute format('alter table %I enable row level security', 'links_p' || part);
    execute format('alter table %I force row level security', 'links_p' || part);
  end loop;
  foreach name in array array['links', 'sessions', 'session_stats', 'usage_batches', 'operations'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy own_tenant on %I to soma_app, soma_worker using (%s) with check (%s)', name, own, own);
  end loop;
end $policies$;
create policy worker_rollup on session_stats to soma_worker using (true) with check (true);

grant select, insert, update, delete on links to soma_app, soma_worker;
grant select, insert on sessions to soma_app, soma_worker;
grant select on session_stats to soma_app;
grant select, insert, update, delete on session_stats, usage_batches to soma_worker;
grant select, insert on usage_batches to soma_app;
grant select, insert on operations to soma_app;
grant select, insert, update, delete on operations to soma_worker;
`
