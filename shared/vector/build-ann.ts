import type { Database, Sql } from '../db/index.ts'
import type { JobReport } from '../handler/index.ts'
import { tenantsWithLargeScopes } from '../tenant/index.ts'

type Large = { tenantId: number; namespaceKey: number; modelKey: number; dimension: number; memories: number }
const partitions = 8
/** With this many memories still to be indexed a load is going on: measured, 100 vectors take 622 ms with the graph in place and 1.3 ms without. */
const busyFrom = 1_000

/** What a graph takes in memory for a vector of `dimension` halves: pgvector keeps 16 neighbours a layer, 32 in the lowest, with their distances. */
const graphBytes = (dimension: number) => 2 * dimension + 800
const noRoom = '53100'

export const annIndexName = (tenantId: number, namespaceKey: number, modelKey: number): string => `vectors_ann_${tenantId}_${namespaceKey}_${modelKey}`

/**
 * Builds one partial HNSW index for each (tenant, namespace, model) whose scope has grown to `from` memories: only large scopes pay for graph
 * insertion, and a tenant's graph holds nothing of another. Removes those of models that were dropped. The embedded engine has none: its exact scan serves what fits on a laptop.
 */
export async function buildAnn(db: { worker: Database; owner: Database }, from: number, signal: AbortSignal): Promise<JobReport> {
  if (db.owner.engine === 'pglite') return { done: 0, remaining: false, detail: { skipped: 'the embedded engine searches exactly' } }
  let done = await dropUnused(db, signal)
  for (const large of await largeScopes(db.worker, from)) {
    if (signal.aborted) return { done, remaining: true }
    if (await buildIndex(db.owner, large)) done++
  }
  return { done, remaining: false }
}

async function largeScopes(worker: Database, from: number): Promise<Large[]> {
  const found: Large[] = []
  for (const tenantId of await tenantsWithLargeScopes(worker, from)) {
    const scopes = await worker.transaction({ role: 'soma_worker', tenantId, readOnly: true }, (tx) =>
      tx.query<{ namespace_key: number; model_key: number; dimension: number; memories: string }>(
        `select s.scope_key as namespace_key, e.model_key, e.dimension, s.memories from scope_stats s
         join scopes n on n.tenant_id = s.tenant_id and n.scope_key = s.scope_key and n.user_id is null
         cross join embedding_models e left join embedding_roles r on true
         where s.tenant_id = $1::integer and s.memories >= $2::bigint and e.dropped_at is null and (r.searched is null or e.model_key in (r.searched, r.kept))
           -- a model that is being introduced gets its graph when its vectors are there
           and (select count(*) from (select from memories m where m.tenant_id = $1::integer and m.namespace_key = s.scope_key and not exists (
             select from vectors v where v.tenant_id = $1::integer and v.model_key = e.model_key and v.memory_key = m.memory_key) limit ${busyFrom}) missing) < ${busyFrom}
           and (select count(*) from (select from vector_pending q where q.tenant_id = $1::integer and q.namespace_key = s.scope_key limit ${busyFrom}) waiting) < ${busyFrom}
           and exists (select from vectors v where v.tenant_id = $1::integer and v.namespace_key = s.scope_key and v.model_key = e.model_key)`,
        [tenantId, from],
      ),
    )
    for (const { namespace_key: namespaceKey, model_key: modelKey, dimension, memories } of scopes)
      found.push({ tenantId, namespaceKey, modelKey, dimension, memories: Number(memories) })
  }
  return found
}

/** Indexes of dropped models: whether their rows are gone already or not, nobody searches them. */
async function dropUnused({ worker, owner }: { worker: Database; owner: Database }, signal: AbortSignal): Promise<number> {
  const unused = await worker.transaction({ role: 'soma_worker', tenantId: null, readOnly: true }, (tx) =>
    tx.query<{ name: string }>(
      `select c.relname as name from pg_class c join embedding_models e on e.model_key = substring(c.relname from '^vectors_ann_[0-9]+_[0-9]+_([0-9]+)$')::integer
       where c.relkind = 'i' and c.relnamespace = current_schema()::regnamespace and e.dropped_at is not null order by 1`,
    ),
  )
  let done = 0
  for (const { name } of unused) {
    if (signal.aborted) return done
    await owner.maintenance(async (sql) => {
      await sql.query('set role soma_owner')
      try {
        await sql.query(`drop index concurrently if exists ${name}`)
      } finally {
        await sql.query('reset role')
      }
    })
    done++
  }
  return done
}

async function buildIndex(owner: Database, large: Large): Promise<boolean> {
  const { tenantId, namespaceKey, modelKey } = large
  const name = annIndexName(tenantId, namespaceKey, modelKey)
  return owner.maintenance(async (sql) => {
    // whoever looked meanwhile would take an index that is being built for one that was given up; it ends with the connection too
    const [lock] = await sql.query<{ free: boolean }>('select pg_try_advisory_lock(hashtextextended($1::text, 0)) as free', [`soma ${name}`])
    if (!lock?.free) return false
    try {
      return await buildAlone(sql, large, name)
    } finally {
      await sql.query('select pg_advisory_unlock(hashtextextended($1::text, 0))', [`soma ${name}`])
    }
  })
}

async function buildAlone(sql: Sql, large: Large, name: string): Promise<boolean> {
  const { tenantId, namespaceKey, modelKey, dimension } = large
  const [state] = await sql.query<{ valid: boolean }>('select i.indisvalid as valid from pg_index i where i.indexrelid = to_regclass($1::text)', [name])
  if (state?.valid) return false
  const remainders = await sql.query<{ remainder: number }>(
    `select r as remainder from generate_series(0, ${partitions - 1}) r where satisfies_hash_partition(to_regclass('vectors'), ${partitions}, r, $1::integer)`,
    [tenantId],
  )
  const partition = `vectors_p${(remainders[0] as { remainder: number }).remainder}`
  const build = async (again: boolean) => {
    // a build that was interrupted or refused leaves an invalid index
    if (again) await sql.query(`drop index concurrently if exists ${name}`)
    await sql.query(
      `create index concurrently if not exists ${name} on ${partition} using hnsw ((embedding::halfvec(${dimension})) halfvec_cosine_ops)
         where tenant_id = ${tenantId} and namespace_key = ${namespaceKey} and model_key = ${modelKey}`,
    )
  }
  await sql.query('set role soma_owner')
  try {
    await giveMemory(sql, large)
    await build(state !== undefined).catch(async (error) => {
      // a parallel build shares its memory by /dev/shm, of which a container may have 64 MB
      if (error.code !== noRoom) throw error
      await sql.query('set max_parallel_maintenance_workers = 0')
      await build(true)
    })
  } finally {
    await sql.query('reset max_parallel_maintenance_workers; reset maintenance_work_mem; reset role')
  }
  return true
}

/** As much as the whole graph takes, but no more than shared_buffers, or maintenance_work_mem where that is more: a graph that outgrows its memory is finished on disk, many times as slowly. */
async function giveMemory(sql: Sql, { memories, dimension }: Large): Promise<void> {
  await sql.query(
    `select set_config('maintenance_work_mem', greatest(pg_size_bytes(current_setting('maintenance_work_mem')),
       least($1::bigint, pg_size_bytes(current_setting('shared_buffers')))) / 1024 || 'kB', false)`,
    [Math.ceil(memories * graphBytes(dimension) * 1.1)],
  )
}
