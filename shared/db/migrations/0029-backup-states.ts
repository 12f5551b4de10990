/** What backups have written, so that the next one need not read it: whoever writes archives may not read them. */
export const sql = /* sql */ `
set local role soma_owner;

create table backup_states (
  -- the archive's name
  archive text primary key,
  archive_id uuid not null,
  -- what is as it is at this instant, of this database and of this code
  generation integer not null,
  schema_version integer not null,
  snapshot pg_snapshot not null,
  -- of the key that encrypts it; null: none does
  key_id text,
  -- 'full': with what it builds on, it was begun to hold everything; 'increment': to hold what had changed
  kind text not null check (kind in ('full', 'increment')),
  whole boolean not null,
  -- rows by tenant and table, and sums of words by tenant
  contents jsonb not null,
  words jsonb not null,
  written_at timestamptz not null default now(),
  -- of whoever wrote the row, and of the database. A copy into another cluster has others: there ages of rows say nothing of this archive. A recovery to a time before it has no such row at all
  xid xid8 not null default pg_current_xact_id(),
  origin text not null
);
grant select, insert, update, delete on backup_states to soma_worker;
`
