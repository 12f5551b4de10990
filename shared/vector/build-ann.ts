import { type Database, partitionOf, type Sql, singly } from '../db/index.ts'
import type { JobReport } from '../handler/index.ts'
import { tenantsWithLargeScopes } from '../tenant/index.ts'
import { coverOf, graphName, graphsName, mergeOf, type Range, readGraphs } from './graphs.ts'

type Large = { tenantId: number; namespaceKey: number; modelKey: number; dimension: number }
type Graph = Range & { vectors: number }
/** With this many memories still to be indexed a load is going on: measured, 100 vectors take 622 ms with the graph in place and 1.3 ms without. */
const busyFrom = 1_000

/** What a graph takes in memory for a vector of `dimension` halves: pgvector keeps 16 neighbours a layer, 32 in the lowest, with their distances. */
const graphBytes = (dimension: number) => 2 * dimension + 800
const spare = 1.1
const noRoom = '53100'

/**
 * A scope's vectors that no graph holds are compared one by one (10,000 of 384 dimensions: some 10 ms), so from `least` on they become a graph. `growth`: how much newer ones
 * have to be for an older graph to be made again together with them. Measured, a graph takes a quarter of the time that its vectors take when they are put into one by one.
 */
export const graphSizes = { least: 10_000, growth: 3 } as const
export type GraphSizes = { least: number; growth: number /** Vectors of one graph; not said: as many as fit into shared_buffers, and are built in some minutes. */; most?: number }

/**
 * Builds partial HNSW indexes for each (tenant, namespace, model) whose scope has grown to `from` memories: only large scopes have graphs, and a tenant's hold nothing of
 * another. Removes those of models that were dropped. The embedded engine has none: its exact scan serves what fits on a laptop.
 */
export async function buildAnn(db: { worker: Database; owner: Database }, from: number, signal: AbortSignal, sizes: GraphSizes = graphSizes): Promise<JobReport> {
  if (db.owner.engine === 'pglite') return { done: 0, remaining: false, detail: { skipped: 'the embedded engine searches exactly' } }
  let done = await dropUnused(db, signal)
  for (const large of await largeScopes(db.worker, from)) {
    if (signal.aborted) return { done, remaining: true }
    done += await buildGraphs(db, large, sizes, signal)
  }
  return { done, remaining: signal.aborted }
}

async function largeScopes(worker: Database, from: number): Promise<Large[]> {
  const found: Large[] = []
  for (const tenantId of await tenantsWithLargeScopes(worker, from)) {
    const scopes = await worker.transaction({ role: 'soma_worker', tenantId, readOnly: true }, (tx) =>
      tx.query<{ namespace_key: number; model_key: number; dimension: number }>(
        `select s.scope_key as namespace_key, e.model_key, e.dimension from scope_stats s
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
    for (const { namespace_key: namespaceKey, model_key: modelKey, dimension } of scopes) found.push({ tenantId, namespaceKey, modelKey, dimension })
  }
  return found
}

/** Indexes of dropped models: whether their rows are gone already or not, nobody searches them. */
async function dropUnused({ worker, owner }: { worker: Database; owner: Database }, signal: AbortSignal): Promise<number> {
  const unused = await worker.transaction({ role: 'soma_worker', tenantId: null, readOnly: true }, (tx) =>
    tx.query<{ name: string }>(
      `select c.relname as name from pg_class c join embedding_models e on e.model_key = substring(c.relname from '^vectors_ann_[0-9]+_[0-9]+_([0-9]+)(_|$)')::integer
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

/** All graphs that a scope lacks; says how many were built. */
async function buildGraphs(db: { worker: Database; owner: Database }, large: Large, sizes: GraphSizes, signal: AbortSignal): Promise<number> {
  return db.owner.maintenance(async (sql) => {
    // whoever looked meanwhile would take an index that is being built for one that was given up; it ends with the connection too
    const lock = `hashtextextended('soma ${graphsName(large)}', 0)`
    const [free] = await sql.query<{ free: boolean }>(`select pg_try_advisory_lock(${lock}) as free`)
    if (!free?.free) return 0
    try {
      await sql.query('set role soma_owner')
      let done = 0
      while (!signal.aborted && (await buildNext(db.worker, sql, large, sizes))) done++
      return done
    } finally {
      await sql.query(`reset max_parallel_maintenance_workers; reset maintenance_work_mem; reset role; select pg_advisory_unlock(${lock})`)
    }
  })
}

/** Removes what is not used, and builds one graph where one is lacking; says whether it did. */
async function buildNext(worker: Database, sql: Sql, large: Large, sizes: GraphSizes): Promise<boolean> {
  const graphs = await readGraphs(sql, large)
  const { chosen, rest } = coverOf(graphs.filter(({ valid }) => valid))
  // whose ranges others hold, what was interrupted, and what an older version built over everything
  const gone = graphs.filter((one) => !chosen.includes(one))
  if (chosen.length) gone.push(...(await sql.query<(typeof gone)[number]>('select c.relname as name from pg_class c where c.oid = to_regclass($1::text)', [graphsName(large)])))
  for (const { name } of gone) await sql.query(`drop index concurrently if exists ${name}`)
  const most = sizes.most ?? (await fitting(sql, large))
  for (const range of rest) {
    const held = await vectorsIn(worker, large, range, most)
    // between two graphs one was lost
    if (!held.vectors || (chosen.length && range.to === Number.POSITIVE_INFINITY && held.vectors < sizes.least)) continue
    const parts = range.to === Number.POSITIVE_INFINITY ? [...chosen, held] : [held]
    const merged = mergeOf(parts, { growth: sizes.growth, most }) ?? [held]
    await build(sql, large, { from: (merged[0] as Range).from, to: held.to, vectors: merged.reduce((sum, part) => sum + part.vectors, 0) })
    return true
  }
  return false
}

/** What a range without a graph holds, as far as one graph may. */
async function vectorsIn(worker: Database, { tenantId, namespaceKey, modelKey }: Large, { from, to }: Range, most: number): Promise<Graph> {
  const end = Number.isFinite(to) ? to : Number.MAX_SAFE_INTEGER
  const [held] = await singly(worker, { role: 'soma_worker', tenantId, readOnly: true }).query<{ vectors: string; last: string | null }>(
    `select count(*) as vectors, max(memory_key) as last from (select v.memory_key from vectors v where v.tenant_id = $1::integer and v.namespace_key = $2::integer and v.model_key = $3::integer
       and v.memory_key >= $4::bigint and v.memory_key < $5::bigint order by v.memory_key limit $6::bigint) held`,
    [tenantId, namespaceKey, modelKey, from, end, most],
  )
  const vectors = Number(held?.vectors)
  return { from, to: end === to && vectors < most ? to : Number(held?.last) + 1, vectors }
}

async function build(sql: Sql, large: Large, { from, to, vectors }: Graph): Promise<void> {
  const { tenantId, namespaceKey, modelKey, dimension } = large
  const name = graphName(large, { from, to })
  const create = () =>
    sql.query(
      `create index concurrently if not exists ${name} on vectors_p${partitionOf(tenantId)} using hnsw ((embedding::halfvec(${dimension})) halfvec_cosine_ops)
         where tenant_id = ${tenantId} and namespace_key = ${namespaceKey} and model_key = ${modelKey} and memory_key >= ${from} and memory_key < ${to}`,
    )
  await giveMemory(sql, vectors, dimension)
  await create().catch(async (error) => {
    // a parallel build shares its memory by /dev/shm, of which a container may have 64 MB
    if (error.code !== noRoom) throw error
    await sql.query('set max_parallel_maintenance_workers = 0')
    // what was refused leaves an invalid index
    await sql.query(`drop index concurrently if exists ${name}`)
    await create()
  })
}

const sharedBuffers = `pg_size_bytes(current_setting('shared_buffers'))`
const maintenanceMemory = `pg_size_bytes(current_setting('maintenance_work_mem'))`
/** A graph smaller than this is not worth being apart, however little memory there is. */
const smallestMost = 100_000
/** Vectors times dimensions of one graph: on two slow cores a build takes some six minutes, and a function has fifteen. */
const mostNumbers = 150_000_000

async function fitting(sql: Sql, { dimension }: Large): Promise<number> {
  const [row] = await sql.query<{ bytes: string }>(`select greatest(${sharedBuffers}, ${maintenanceMemory}) as bytes`)
  return Math.max(smallestMost, Math.floor(Math.min(Number(row?.bytes) / (graphBytes(dimension) * spare), mostNumbers / dimension)))
}

/** As much as the whole graph takes, but no more than shared_buffers, or maintenance_work_mem where that is more: a graph that outgrows its memory is finished on disk, many times as slowly. */
async function giveMemory(sql: Sql, vectors: number, dimension: number): Promise<void> {
  await sql.query(`select set_config('maintenance_work_mem', greatest(${maintenanceMemory}, least($1::bigint, ${sharedBuffers})) / 1024 || 'kB', false)`, [
    Math.ceil(vectors * graphBytes(dimension) * spare),
  ])
}
