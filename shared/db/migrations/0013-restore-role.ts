/** A restore loads rows as soma_worker, bound by its policies, and is run by the login that migrates: that one may act as both roles. */
export const sql = /* sql */ `
do $restore$
begin
  if not (select rolsuper from pg_roles where rolname = current_user) and not pg_has_role(current_user, 'soma_worker', 'set') then
    begin
      execute format('grant soma_worker to %I', current_user);
    -- roles that somebody else made are theirs to give: everything but a restore works without, and that one says what to grant
    exception when insufficient_privilege then
      raise notice 'restore needs: grant soma_worker to %', current_user;
    end;
  end if;
end $restore$;
`
