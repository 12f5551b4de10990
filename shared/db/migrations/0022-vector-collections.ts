/**
 * A second vector engine: which of its collections holds a model's vectors. They are of this database and generation alone, by a name that no other has, so
 * an archive does not have them: a restored database makes its own. And what the last check of the vectors found, by model.
 */
export const sql = /* sql */ `
set local role soma_owner;

create table vector_collections (
  name text primary key,
  model_key smallint not null references embedding_models,
  generation integer not null,
  -- new: being made in the engine. building and serving: whoever writes a vector writes it there as well. serving: recall asks it
  state text not null check (state in ('new', 'building', 'serving', 'retired')),
  changed_at timestamptz not null default now(),
  -- what is built has been copied up to this memory of this tenant, so many in all
  done_tenant integer not null default 0,
  done_key bigint not null default 0,
  copied bigint not null default 0,
  lease_owner uuid,
  lease_expires_at timestamptz
);
create unique index vector_collections_serving on vector_collections (model_key, generation) where state = 'serving';
create unique index vector_collections_building on vector_collections (model_key, generation) where state in ('new', 'building');

create table vector_checks (
  model_key smallint primary key references embedding_models,
  checked_at timestamptz not null,
  memories bigint not null,
  vectors bigint not null,
  -- in the second engine, where there is one
  engine_vectors bigint,
  missing bigint not null,
  stale bigint not null,
  repaired bigint not null
);

grant select on vector_collections to soma_app, soma_worker;
grant insert, update, delete on vector_collections to soma_worker;
grant select, insert, update on vector_checks to soma_worker;
`
