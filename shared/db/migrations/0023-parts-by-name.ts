/**
 * A recall reads its tenant's own part of each table by name (shared/db/plans.ts): under the same policy as the table, for reading alone. Whatever writes goes
 * through the table.
 */
export const sql = /* sql */ `
set local role soma_owner;

do $parts$
declare
  name text;
  part integer;
begin
  foreach name in array array['memories', 'memory_versions', 'postings', 'closed_postings', 'vectors', 'closed_vectors'] loop
    for part in 0..7 loop
      execute format('create policy own_tenant on %I for select to soma_app using (%s)', name || '_p' || part, $$tenant_id = nullif(current_setting('soma.tenant', true), '')::integer$$);
      execute format('grant select on %I to soma_app', name || '_p' || part);
    end loop;
  end loop;
end $parts$;
`
