import { type Database, partitionOf, type Sql, singly } from '../db/index.ts'
import type { JobReport } from '../handler/index.ts'
import { tenantsWithLargeScopes } from '../tenant/index.ts'
import { coverOf, graphName, graphsName, mergeOf, type Range, readGraphs, vectorsIn } from './graphs.ts'

/** `busy`: so many wait for their vectors that a load is going on. */
type Large = { tenantId: number; namespaceKey: number; modelKey: number; dimension: number; busy: boolean }
type Part = Range & { vectors: number }
type Databases = { worker: Database; owner: Database }

const busyFrom = 1_000
/** Large scopes take their time on a cold disk. */
const readMs = 600_000
/** After this long a run begins no other build: a function has fifteen minutes, and a build may take six. */
const beginMs = 300_000

/** What a graph takes in memory for a vector of `dimension` halves: pgvector keeps 16 neighbours a layer, 32 in the lowest, with their distances. */
const graphBytes = (dimension: number) => 2 * dimension + 800
const spare = 1.1
const noRoom = '53100'

/**
 * A scope's vectors that no graph holds are compared one by one (10,000 of 384 dimensions: some 10 ms), so from `least` on they become a graph, and while a load is going on
 * from ten times as many on. `growth`: how much newer ones have to be for an older graph to be made again together with them.
 */
export const graphSizes = { least: 10_000, growth: 3 } as const
const whileBusy = 10
export type GraphSizes = { least: number; growth: number /** Vectors of one graph; not said: as many as fit into shared_buffers, and are built in some minutes. */; most?: number }

/**
 * Builds partial HNSW indexes for each (tenant, namespace, model) whose scope has grown to `from` memories: only large scopes have graphs, and a tenant's hold nothing of
 * another. Removes those of models that were dropped. The embedded engine has none: its exact scan serves what fits on a laptop. @throws what went wrong in a scope, after the others
 */
export async function buildAnn(db: Databases, from: number, signal: AbortSignal, sizes: GraphSizes = graphSizes): Promise<JobReport> {
  if (db.owner.engine === 'pglite') return { done: 0, remaining: false, detail: { skipped: 'the embedded engine searches exactly' } }
  const until = performance.now() + beginMs
  const mayBegin = () => !signal.aborted && performance.now() < until
  let done = await dropUnused(db, signal)
  const failures: unknown[] = []
  for (const large of await largeScopes(db.worker, from)) {
    if (!mayBegin()) return { done, remaining: true }
    await buildGraphs(db, large, sizes, mayBegin).then(
      (built) => {
        done += built
      },
      (error) => failures.push(error),
    )
  }
  if (failures.length) throw failures[0]
  return { done, remaining: !mayBegin() }
}

async function largeScopes(worker: Database, from: number): Promise<Large[]> {
  const found: Large[] = []
  for (const tenantId of await tenantsWithLargeScopes(worker, from)) {
    const scopes = await worker.transaction({ role: 'soma_worker', tenantId, readOnly: true, timeoutMs: readMs }, (tx) =>
      tx.query<{ namespace_key: number; model_key: number; dimension: number; busy: boolean }>(
        `select s.scope_key as namespace_key, e.model_key, e.dimension,
           (select count(*) from (select from vector_pending q where q.tenant_id = $1::integer and q.namespace_key = s.scope_key limit ${busyFrom}) waiting) = ${busyFrom} as busy
         from scope_stats s
         join scopes n on n.tenant_id = s.tenant_id and n.scope_key = s.scope_key and n.user_id is null
         cross join embedding_models e left join embedding_roles r on true
         where s.tenant_id = $1::integer and s.memories >= $2::bigint and e.dropped_at is null and (r.searched is null or e.model_key in (r.searched, r.kept))
           and exists (select from vectors v where v.tenant_id = $1::integer and v.namespace_key = s.scope_key and v.model_key = e.model_key)
           -- a model that is being introduced gets its graphs when its vectors are there
           and (e.model_key = r.searched or (select count(*) from embedding_models o where o.dropped_at is null) = 1 or (select count(*) from (select from memories m where m.tenant_id = $1::integer and m.namespace_key = s.scope_key and not exists (
             select from vectors v where v.tenant_id = $1::integer and v.model_key = e.model_key and v.memory_key = m.memory_key)
             and not exists (select from vector_pending q where q.tenant_id = $1::integer and q.memory_key = m.memory_key) limit ${busyFrom}) missing) < ${busyFrom})`,
        [tenantId, from],
      ),
    )
    for (const { namespace_key: namespaceKey, model_key: modelKey, dimension, busy } of scopes) found.push({ tenantId, namespaceKey, modelKey, dimension, busy })
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
async function buildGraphs(db: Databases, large: Large, sizes: GraphSizes, mayBegin: () => boolean): Promise<number> {
  return db.owner.maintenance(async (sql) => {
    // whoever looked meanwhile would take an index that is being built for one that was given up; it ends with the connection too
    const lock = `hashtextextended('soma ' || current_schema() || ' ${graphsName(large)}', 0)`
    const [free] = await sql.query<{ free: boolean }>(`select pg_try_advisory_lock(${lock}) as free`)
    if (!free?.free) return 0
    try {
      await sql.query('set role soma_owner')
      let done = 0
      while (mayBegin() && (await buildNext(db.worker, sql, large, sizes))) done++
      return done
    } finally {
      // a connection that is gone has said so already
      await sql.query(`reset max_parallel_maintenance_workers; reset maintenance_work_mem; reset role; select pg_advisory_unlock(${lock})`).catch(() => {})
    }
  })
}

/** Removes what is not used, and builds one graph where one is lacking; says whether it did. */
async function buildNext(worker: Database, sql: Sql, large: Large, { least, growth, most = 0 }: GraphSizes): Promise<boolean> {
  const graphs = await readGraphs(sql, large)
  const ranged = graphs.filter(({ to }) => to !== Number.POSITIVE_INFINITY)
  const { chosen, rest } = coverOf(ranged.filter(({ valid }) => valid))
  // whose range others hold, and what was interrupted
  for (const { name } of ranged.filter((one) => !chosen.includes(one))) await sql.query(`drop index concurrently if exists ${name}`)
  const reading = singly(worker, { role: 'soma_worker', tenantId: large.tenantId, readOnly: true, timeoutMs: readMs })
  const largest = most || (await fitting(sql, large))
  let behind = chosen.length === 0
  for (const range of rest) {
    const held = await vectorsIn(reading, large, range, largest)
    const tail = range.to === Number.POSITIVE_INFINITY
    // between two graphs one was lost
    const enough = !tail ? 1 : Math.min(largest, large.busy ? least * whileBusy : chosen.length ? least : 1)
    behind ||= held.vectors >= least
    if (held.vectors < enough) continue
    const parts: Part[] = [held]
    if (tail) for (const one of [...chosen].reverse()) parts.unshift({ ...one, vectors: (await vectorsIn(reading, large, one, largest)).vectors })
    const merged = mergeOf(parts, { growth, most: largest }) ?? [held]
    await build(sql, large, { from: (merged[0] as Part).from, to: held.to, vectors: merged.reduce((sum, part) => sum + part.vectors, 0) })
    return true
  }
  // what an older version built over everything serves until these hold it
  if (!behind) for (const { name } of graphs.filter((one) => !ranged.includes(one))) await sql.query(`drop index concurrently if exists ${name}`)
  return false
}

async function build(sql: Sql, large: Large, { from, to, vectors }: Part): Promise<void> {
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
  return Math.floor(Math.min(Math.max(smallestMost, Number(row?.bytes) / (graphBytes(dimension) * spare)), mostNumbers / dimension))
}

/** As much as the whole graph takes, but no more than shared_buffers, or maintenance_work_mem where that is more: a graph that outgrows its memory is finished on disk, many times as slowly. */
async function giveMemory(sql: Sql, vectors: number, dimension: number): Promise<void> {
  await sql.query('reset max_parallel_maintenance_workers')
  await sql.query(`select set_config('maintenance_work_mem', greatest(${maintenanceMemory}, least($1::bigint, ${sharedBuffers})) / 1024 || 'kB', false)`, [
    Math.ceil(vectors * graphBytes(dimension) * spare),
  ])
}
