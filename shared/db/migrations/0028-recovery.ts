/** Backups and drills that ran, that run, or that somebody asked for; and a drill may ask the questions of an archive, as soma_worker, by the partitions that a recall names. */
export const sql = /* sql */ `
set local role soma_owner;

create table recovery_runs (
  run_id uuid primary key,
  kind text not null check (kind in ('backup', 'drill')),
  state text not null check (state in ('requested', 'running', 'succeeded', 'failed')),
  requested_by text not null,
  requested_at timestamptz not null default now(),
  started_at timestamptz,
  -- a run says again and again that it is alive; one that stops saying so is over
  alive_at timestamptz,
  ended_at timestamptz,
  -- the archive that was written or restored, and the instant that it holds
  archive text,
  instant timestamptz,
  -- where a drill restores to, for whoever has to clean up after it
  scratch text,
  problem text,
  -- JSON, to the letter as it was signed
  report text,
  signature text,
  public_key text,
  -- of an archive that somebody named: it says nothing of the newest one, and is nobody's turn
  apart boolean not null default false
);
-- what the scheduled jobs said when they last looked: how often a run is due (0: never), since when, and that they are there
create table recovery_schedule (
  kind text primary key check (kind in ('backup', 'drill')),
  every_hours double precision not null,
  since timestamptz not null default now(),
  looked_at timestamptz not null default now()
);
grant select, insert, update on recovery_schedule to soma_worker;
create unique index recovery_runs_alone on recovery_runs (kind) where state = 'running';
create index recovery_runs_recent on recovery_runs (kind, requested_at, run_id);
grant select, insert, update, delete on recovery_runs to soma_worker;

do $partitions$
declare
  name text;
  part integer;
begin
  foreach name in array array['memories', 'memory_versions', 'postings', 'closed_postings', 'vectors', 'closed_vectors'] loop
    for part in 0..7 loop
      execute format('grant select on %I to soma_worker', name || '_p' || part);
      execute format('alter policy own_tenant on %I to soma_app, soma_worker', name || '_p' || part);
    end loop;
  end loop;
end $partitions$;
`
