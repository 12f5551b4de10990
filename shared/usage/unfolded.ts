/** A row of usage_deltas that stands for a change of memories, and not for what was read or embedded. */
export const isChange = (row: string) => `${row}.recalls = 0 and ${row}.embedded_tokens = 0`

/**
 * What the folded counters of the tenant $1 do not say yet, as a relation: rows that the rollup has not folded, and memories whose time is over but
 * which the expire job has not swept: they leave every count at their instant. Both are few, and both are found by an index.
 */
export const unfolded = `(
  select d.namespace_key, d.user_key, d.session_key, d.at, ${isChange('d')} as is_change, d.stores, d.recalls, d.memories, d.episodic, d.semantic, d.procedural, d.bytes, d.embedded_tokens
  from usage_deltas d where d.tenant_id = $1::integer
  union all
  select m.namespace_key, m.user_key, m.session_key, greatest(m.expires_at, m.recorded_at), false, 0, 0, -1, -(m.memory_type = 'episodic')::integer, -(m.memory_type = 'semantic')::integer,
    -(m.memory_type = 'procedural')::integer, -m.bytes, 0
  from memories m where m.tenant_id = $1::integer and m.expires_at <= now())`
