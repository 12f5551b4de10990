/** Vectors of a scope by when they were recorded, so that a look back does not fetch those that came later. Measured: 10.5 to 7.9 ms on 5,000 of 20,000. */
export const sql = `
set local role soma_owner;

drop index vectors_namespace;
drop index vectors_user;
create index vectors_namespace on vectors (tenant_id, namespace_key, model_key, recorded_at);
create index vectors_user on vectors (tenant_id, user_key, model_key, recorded_at) where user_key is not null;
`
