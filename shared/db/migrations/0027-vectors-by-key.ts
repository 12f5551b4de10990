/** Vectors of a namespace in the order of their keys: what came after its last graph is read from here, however many of other namespaces came in between. */
export const sql = /* sql */ `
set local role soma_owner;

drop index vectors_namespace;
create index vectors_namespace on vectors (tenant_id, namespace_key, model_key, memory_key);
`
