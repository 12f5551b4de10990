/**
 * How much waits in the outboxes of many tenants, in one round trip: each is counted inside its tenant, under its row-level security, and no further than `p_most` rows
 * a state. The oldest pending row is the first by number; of leased ones there are a few batches.
 */
export const sql = /* sql */ `
set local role soma_owner;

create function outbox_depths(p_tenants integer[], p_most integer) returns table (tenant_id integer, pending bigint, dead bigint, oldest timestamptz)
language plpgsql security invoker as $fn$
declare
  v_tenant integer;
  v_before text := current_setting('soma.tenant', true);
begin
  foreach v_tenant in array p_tenants loop
    perform set_config('soma.tenant', v_tenant::text, true);
    return query select v_tenant,
      (select count(*) from (select from outbox o where o.tenant_id = v_tenant and o.status = 'pending' limit p_most) c)
        + (select count(*) from (select from outbox o where o.tenant_id = v_tenant and o.status = 'leased' limit p_most) c),
      (select count(*) from (select from outbox o where o.tenant_id = v_tenant and o.status = 'dead' limit p_most) c),
      least((select o.created_at from outbox o where o.tenant_id = v_tenant and o.status = 'pending' order by o.seq limit 1),
        (select min(c.created_at) from (select o.created_at from outbox o where o.tenant_id = v_tenant and o.status = 'leased' limit p_most) c));
  end loop;
  perform set_config('soma.tenant', coalesce(v_before, ''), true);
end $fn$;
revoke execute on function outbox_depths(integer[], integer) from public;
grant execute on function outbox_depths(integer[], integer) to soma_worker;
`
