/** Keys that reach only a part of their tenant, when they were last used and what they were rotated from; and the tenant that a verified token names. */
export const sql = /* sql */ `
set local role soma_owner;

alter table api_keys
  -- the namespaces and scope ids that it may name; null: all of its tenant
  add column reach jsonb check (jsonb_typeof(reach) = 'object'),
  -- to the minute, and written beside the requests
  add column last_used_at timestamptz,
  add column rotated_from text;

-- a token says its tenant by name, before anything is known of it: one row is seen, by whoever names it
create policy by_name on tenants for select to soma_app using (name = nullif(current_setting('soma.tenant_name', true), ''));
`
