/** Audit rows get their places in a chain of hashes, a tenant's own, and the chain its signed checkpoints: by a job, behind the transactions that write the rows. */
const hashPartitions = 8
export const sql = /* sql */ `
set local role soma_owner;

-- whose transaction wrote the row: what is below every transaction that runs can have no more rows. It means something in this cluster only
alter table audit_log add column xid xid8 not null default pg_current_xact_id();
create index audit_log_xid on audit_log (tenant_id, xid, seq);
create index audit_log_at on audit_log (tenant_id, at, seq);
-- a request says what was done; number and transaction are not its to choose
revoke insert on audit_log from soma_app;
grant insert (tenant_id, at, actor, action, target, request_id, detail) on audit_log to soma_app;

-- the place of a row, 1, 2, 3 ... in its tenant: each hash is over the one before and over all that the row says
create table audit_chain (
  tenant_id integer not null,
  position bigint not null check (position > 0),
  seq bigint not null,
  hash bytea not null check (length(hash) = 32),
  primary key (tenant_id, position),
  unique (tenant_id, seq)
) partition by hash (tenant_id);

create table audit_checkpoints (
  tenant_id integer not null,
  at timestamptz not null,
  position bigint not null,
  -- JSON, to the letter as it was signed
  statement text not null,
  signature text not null,
  public_key text not null,
  primary key (tenant_id, at, position)
);

-- how far the sealer is: of the transactions below the horizon it has seen every row; and what of the chain is published
create table audit_heads (
  tenant_id integer primary key,
  horizon xid8 not null default '0',
  published bigint not null default 0
);
-- every row that was committed by then is sealed, whoever's it is
create table audit_sealer (
  singleton boolean primary key default true check (singleton),
  sealed_until timestamptz not null default now()
);
insert into audit_sealer default values;

do $policies$
declare
  name text;
  part integer;
  own constant text := $$tenant_id = nullif(current_setting('soma.tenant', true), '')::integer$$;
begin
  for part in 0..${hashPartitions - 1} loop
    execute format('create table %I partition of audit_chain for values with (modulus ${hashPartitions}, remainder %s)', 'audit_chain_p' || part, part);
    execute format('alter table %I enable row level security', 'audit_chain_p' || part);
    execute format('alter table %I force row level security', 'audit_chain_p' || part);
  end loop;
  foreach name in array array['audit_chain', 'audit_checkpoints', 'audit_heads'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy own_tenant on %I to soma_app, soma_worker using (%s) with check (%s)', name, own, own);
  end loop;
end $policies$;

-- nobody may change or remove what is written: neither a row of the log, nor its place, nor a checkpoint
grant select on audit_chain to soma_app;
grant select, insert on audit_chain, audit_checkpoints to soma_worker;
grant select, insert, update on audit_heads to soma_worker;
grant select, update on audit_sealer to soma_worker;
`
