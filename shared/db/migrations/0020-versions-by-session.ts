/** The neighbours of a memory in its session as of an instant: closed versions in the order of what happened. */
export const sql = /* sql */ `
set local role soma_owner;

create index memory_versions_session on memory_versions (tenant_id, session_key, occurred_at, memory_key) where session_key is not null;
`
