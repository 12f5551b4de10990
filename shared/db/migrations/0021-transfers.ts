/**
 * Operations that leave objects behind or wait for some: where one is (`position`, for its next part only, never shown), and until when its objects are kept. An import is
 * carried out by the worker, which draws on the tenant's quotas as a request does.
 */
export const sql = /* sql */ `
set local role soma_owner;

alter table operations drop constraint operations_state_check;
alter table operations add constraint operations_state_check check (state in ('waiting', 'pending', 'running', 'succeeded', 'failed'));
-- null in objects_until: there are none, or they are gone
alter table operations add column position jsonb not null default '{}', add column objects_until timestamptz;
create index operations_objects on operations (tenant_id, objects_until) where objects_until is not null;
-- a request starts what waits
grant update (state, position, updated_at, objects_until) on operations to soma_app;

-- a restore loads as soma_worker what was allowed when it was stored; an import is held to the quotas, and says so in its transactions
grant insert, update, delete on quota_blocks to soma_worker;
drop trigger draw_quota on usage_deltas;
create trigger draw_quota after insert on usage_deltas referencing new table as fresh for each statement
  when (current_user = 'soma_app' or coalesce(current_setting('soma.draws_quota', true), '') = 'true') execute function draw_quota();
`
