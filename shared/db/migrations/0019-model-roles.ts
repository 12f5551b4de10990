/**
 * Which embedding model recall searches, and whose vectors are kept beside it. No row: no model was ever introduced, and the configured one is all there is.
 * One row for the installation, so that a switch is one update that everybody sees at once.
 */
export const sql = /* sql */ `
set local role soma_owner;

create table embedding_roles (
  singleton boolean primary key default true check (singleton),
  searched smallint not null references embedding_models,
  -- the model that is being introduced, or after the switch the one before
  kept smallint references embedding_models check (kept <> searched),
  changed_at timestamptz not null default now(),
  -- by model key, as the job reembed last counted it
  progress jsonb not null default '{}',
  -- of the job reembed: it runs once at a time, or its pace would be twice what was asked for
  lease_owner uuid,
  lease_expires_at timestamptz
);
-- a model keeps its key for good: a process that remembers it must never write under the key of another
alter table embedding_models add column dropped_at timestamptz;

grant select on embedding_roles to soma_app, soma_worker;
grant insert, update on embedding_roles to soma_worker;
grant update (dropped_at) on embedding_models to soma_worker;
`
