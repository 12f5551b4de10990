/** Outbox, projection, idempotency, usage, audit, erasure ledger; then the policies of every table. */
const hashPartitions = 8
export const sql = /* sql */ `
set local role soma_owner;

create sequence outbox_seq;
-- holds no text: the event is built from the version it names when it is published
create table outbox (
  tenant_id integer not null,
  seq bigint not null default nextval('outbox_seq'),
  event_id uuid not null,
  topic text not null default 'memory.events',
  type text not null,
  id uuid not null,
  memory_key bigint,
  version integer,
  body jsonb,
  traceparent text,
  created_at timestamptz not null,
  status text not null default 'pending' check (status in ('pending', 'leased', 'sent', 'dead')),
  attempts smallint not null default 0,
  next_attempt_at timestamptz not null,
  lease_owner uuid,
  lease_expires_at timestamptz,
  last_error text,
  sent_at timestamptz,
  primary key (tenant_id, seq)
) partition by hash (tenant_id);
create index outbox_pending on outbox (tenant_id, seq) where status = 'pending';
create index outbox_leased on outbox (tenant_id, lease_expires_at) where status = 'leased';
create index outbox_dead on outbox (tenant_id, seq) where status = 'dead';
create index outbox_sent on outbox (tenant_id, sent_at) where status = 'sent';

-- tells the worker whose turn it is, and nothing about anybody's data. Append only: a shared row a tenant would make its stores queue
create table outbox_ready (
  tenant_id integer not null,
  seq bigint generated always as identity,
  not_before timestamptz not null,
  primary key (tenant_id, seq)
);

create table memory_events (
  tenant_id integer not null,
  event_id uuid not null,
  id uuid not null,
  namespace text not null,
  type text not null,
  timestamp timestamptz not null,
  version integer,
  generation integer not null,
  payload jsonb not null,
  primary key (tenant_id, event_id)
) partition by hash (tenant_id);

create table idempotency (
  tenant_id integer not null,
  key text not null,
  request_hash bytea not null,
  status smallint not null,
  -- ids and versions, never text
  result jsonb not null,
  created_at timestamptz not null,
  primary key (tenant_id, key)
);
create index idempotency_age on idempotency (tenant_id, created_at);

-- what a transaction used, folded into usage_hours and scope_stats by a job: counted exactly, and no counter row is a bottleneck
create table usage_deltas (
  tenant_id integer not null,
  seq bigint generated always as identity,
  namespace_key integer not null,
  user_key integer,
  at timestamptz not null,
  stores integer not null default 0,
  memories integer not null default 0,
  episodic integer not null default 0,
  semantic integer not null default 0,
  procedural integer not null default 0,
  bytes bigint not null default 0,
  terms bigint not null default 0,
  embedded_tokens bigint not null default 0,
  primary key (tenant_id, seq)
);
create table usage_hours (
  tenant_id integer not null,
  hour timestamptz not null,
  namespace_key integer not null,
  stores bigint not null default 0,
  recalls bigint not null default 0,
  memories bigint not null default 0,
  bytes bigint not null default 0,
  embedded_tokens bigint not null default 0,
  primary key (tenant_id, hour, namespace_key)
);

create sequence audit_seq;
-- written unchained in the transaction; a sealer chains committed rows in batches
create table audit_log (
  tenant_id integer not null,
  seq bigint not null default nextval('audit_seq'),
  at timestamptz not null,
  actor text not null,
  action text not null,
  target text,
  request_id text,
  detail jsonb,
  primary key (tenant_id, seq)
) partition by hash (tenant_id);

-- what must never come back; import, restore and consumers consult it
create table erasures (
  tenant_id integer not null,
  erasure_id uuid not null,
  kind text not null check (kind in ('memory', 'user', 'tenant')),
  target text not null,
  requested_at timestamptz not null default now(),
  completed_at timestamptz,
  receipt jsonb,
  primary key (tenant_id, erasure_id)
);
create index erasures_target on erasures (tenant_id, kind, target);

do $policies$
declare
  name text;
  part integer;
  -- nullif: after a transaction that set it, the setting is '' and not null
  own constant text := $$tenant_id = nullif(current_setting('soma.tenant', true), '')::integer$$;
begin
  foreach name in array array['memories', 'memory_versions', 'postings', 'closed_postings', 'vectors', 'closed_vectors', 'outbox', 'memory_events', 'audit_log'] loop
    for part in 0..${hashPartitions - 1} loop
      execute format('create table %I partition of %I for values with (modulus ${hashPartitions}, remainder %s)', name || '_p' || part, name, part);
      -- no grant and no policy on a partition: it is reached through its parent or not at all
      execute format('alter table %I enable row level security', name || '_p' || part);
      execute format('alter table %I force row level security', name || '_p' || part);
    end loop;
  end loop;
  foreach name in array array['tenants', 'api_keys', 'scopes', 'scope_stats', 'memories', 'memory_versions', 'postings', 'closed_postings', 'vectors', 'closed_vectors',
    'vector_pending', 'outbox', 'outbox_ready', 'memory_events', 'idempotency', 'usage_deltas', 'usage_hours', 'audit_log', 'erasures'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy own_tenant on %I to soma_app, soma_worker using (%s) with check (%s)', name, own, own);
  end loop;
end $policies$;

-- the only ways across tenants, by name: whose turn it is, and the registry of tenants (the scope platform:tenants acts through it)
create policy worker_turns on outbox_ready to soma_worker using (true) with check (true);
create policy worker_registry on tenants to soma_worker using (true) with check (true);

grant select, insert on scopes to soma_app, soma_worker;
grant select on scope_stats, usage_hours, memory_events, erasures to soma_app;
grant select, insert, update, delete on memories, postings, vectors, vector_pending, idempotency to soma_app, soma_worker;
grant select, insert, delete on memory_versions, closed_postings, closed_vectors to soma_app, soma_worker;
grant select, insert on outbox, usage_deltas, audit_log to soma_app;
grant insert on outbox_ready to soma_app;
grant select, insert, update, delete on outbox, outbox_ready, usage_deltas, usage_hours, scope_stats, memory_events, erasures to soma_worker;
grant select, insert on audit_log to soma_worker;
grant usage on sequence memory_key_seq, outbox_seq, audit_seq to soma_app, soma_worker;
`
