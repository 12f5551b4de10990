/**
 * How far the words of rows that an older revision of the tokenizer counted have been counted again by the rules of this one. It says where the next run goes on, of this database:
 * an archive does not have it.
 */
export const sql = /* sql */ `
set local role soma_owner;

create table words_recounted (
  tokenizer smallint primary key,
  begun_at timestamptz not null default now(),
  -- all rows have been looked at, and none was left
  done_at timestamptz,
  -- memories, then closed versions; all up to this one of this tenant, so many of them in this round
  done_past boolean not null default false,
  done_tenant integer not null default 0,
  done_key bigint not null default 0,
  done_version integer not null default 0,
  recounted bigint not null default 0
);
grant select, insert, update, delete on words_recounted to soma_worker;
grant update (tokenizer, term_count) on memory_versions to soma_worker;
`
