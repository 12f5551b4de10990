import { exchange } from '../function-text.ts'
import { sql as storeWithTime } from './0009-store-with-time.ts'

/**
 * store_memories, looking up once what is at its coords. Before, two statements asked `memory_key in (select … by coord)`; on tables without statistics
 * (the embedded engine, a new database) that was planned as a loop over all memories of the tenant for each memory of it: 100 new coords beside 200
 * took 10 s, beside 300 more than the deadline.
 */
const lookup = `in (
        select x.target_key from unnest(v_items) x where x.target_key is not null
        union all
        select o.memory_key from unnest(v_items) x join scopes s on s.tenant_id = p_tenant and s.namespace = x.namespace and s.user_id is null
          join memories o on o.tenant_id = p_tenant and o.namespace_key = s.scope_key and o.coord = x.coord where x.target_key is null)`
const beforeLocks = `    -- first the locks, then a fresh look`
const known = `    -- writers of these coords wait for the locks above, so none comes between; one that is forgotten meanwhile is not found below
    v_known := array(
      select x.target_key from unnest(v_items) x where x.target_key is not null
      union all
      select o.memory_key from unnest(v_items) x join scopes s on s.tenant_id = p_tenant and s.namespace = x.namespace and s.user_id is null
        cross join lateral (select o.memory_key from memories o where o.tenant_id = p_tenant and o.namespace_key = s.scope_key and o.coord = x.coord limit 1) o
        where x.target_key is null);
`

export const sql = exchange(
  exchange(exchange(storeWithTime, lookup, '= any (v_known)', 2), beforeLocks, `${known}${beforeLocks}`),
  '  r record;',
  '  v_known bigint[];\n  r record;',
)
