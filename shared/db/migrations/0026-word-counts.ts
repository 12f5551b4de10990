/**
 * In how many memories of a large scope its common words are, counted now and then from the words themselves (shared/usage/count-words.ts): a recall there
 * starts from the rare ones. The row without a word says how many memories there were.
 */
export const sql = /* sql */ `
set local role soma_owner;

create table word_counts (
  tenant_id integer not null,
  scope_key integer not null,
  term text collate "C" not null,
  memories bigint not null,
  primary key (tenant_id, scope_key, term)
);
alter table word_counts enable row level security;
alter table word_counts force row level security;
create policy own_tenant on word_counts to soma_app, soma_worker
  using (tenant_id = nullif(current_setting('soma.tenant', true), '')::integer) with check (tenant_id = nullif(current_setting('soma.tenant', true), '')::integer);
grant select on word_counts to soma_app, soma_worker;
grant insert, delete on word_counts to soma_worker;

create index scope_stats_large on scope_stats (tenant_id, scope_key) where memories >= 20000;
`
