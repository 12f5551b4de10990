import { type Database, singly } from '../db/index.ts'
import type { Model } from '../vector/index.ts'

/**
 * How far a model is: memories and those with its vector, closed versions and those with it. `missing`: without a vector, and not waiting for index-vectors
 * either; `overdue`: the same with those that have waited for so long that nobody seems to come for them.
 */
export type Coverage = { memories: number; covered: number; missing: number; overdue: number; versions: number; covered_versions: number }
export const nothing: Coverage = { memories: 0, covered: 0, missing: 0, overdue: 0, versions: 0, covered_versions: 0 }
/** What waits longer than this is taken by the job as well. */
export const overdue = `interval '10 minutes'`
/** Counting reads all memories of a tenant. */
const countMs = 600_000

/** A closed version that was ever the platform's knowledge: of `v`. */
export const wasKnown = `v.state = 'closed' and v.closed_at > v.recorded_at`

export async function coverageOf(worker: Database, tenantId: number, { key }: Model): Promise<Coverage> {
  const [row] = await singly(worker, { role: 'soma_worker', tenantId, readOnly: true, timeoutMs: countMs }).query<Record<keyof Coverage, string>>(
    `select p.*, h.* from (
       select count(*) as memories, count(v.memory_key) as covered, count(*) filter (where v.memory_key is null and q.memory_key is null) as missing,
         count(*) filter (where v.memory_key is null and (q.memory_key is null or q.queued_at < now() - ${overdue})) as overdue
       from memories m left join vectors v on v.tenant_id = $1::integer and v.model_key = $2::smallint and v.memory_key = m.memory_key and v.version = m.version
       left join vector_pending q on q.tenant_id = $1::integer and q.memory_key = m.memory_key
       where m.tenant_id = $1::integer) p,
     (select count(*) as versions, count(c.memory_key) as covered_versions
       from memory_versions v left join closed_vectors c on c.tenant_id = $1::integer and c.model_key = $2::smallint and c.memory_key = v.memory_key and c.version = v.version
       where v.tenant_id = $1::integer and ${wasKnown}) h`,
    [tenantId, key],
  )
  return Object.fromEntries(Object.entries(row ?? nothing).map(([name, count]) => [name, Number(count)])) as Coverage
}

export function sum(a: Coverage, b: Coverage): Coverage {
  return Object.fromEntries(Object.entries(a).map(([name, count]) => [name, count + b[name as keyof Coverage]])) as Coverage
}
