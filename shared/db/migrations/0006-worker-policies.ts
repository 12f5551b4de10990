/** Usage rows hold numbers only: the rollup folds those of all tenants in one statement, by policies that name the worker. */
export const sql = /* sql */ `
set local role soma_owner;
create policy worker_rollup on usage_deltas to soma_worker using (true) with check (true);
create policy worker_rollup on usage_hours to soma_worker using (true) with check (true);
create policy worker_rollup on scope_stats to soma_worker using (true) with check (true);
`
