import type { Sql } from '../db/index.ts'
import { type MemoryRow, memoryOf, presentAt } from '../memory/index.ts'
import { AppError } from '../problem/index.ts'
import { assertWithin, type Ctx, requireScope } from '../tenant/index.ts'
import { cheapestPath, type Edge, type Expand } from './cheapest-path.ts'
import { selectPresent, selectSteps } from './rows.ts'
import { PathIn, type PathOut } from './schema.ts'

/**
 * The cheapest path along the links between two present memories, over present ones only: a link costs 1 / weight, a path the sum of its links. Of
 * equally cheap paths that with fewer links, then that of the earlier memories. @throws AppError forbidden, not_found when an end is no present
 * memory, invalid also when too many links would have to be looked at
 */
export async function path(ctx: Ctx, query: unknown): Promise<PathOut> {
  requireScope(ctx, 'memory:read')
  const { from, to, type, max_hops: maxHops } = PathIn.parse(query)
  return ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId, readOnly: true }, async (tx) => {
    const ends = await selectPresent(tx, ctx.tenantId, [from, to])
    const [start, end] = [from, to].map((id) => ends.find((row) => row.id === id))
    if (!start || !end) throw notPresent([...(start ? [] : ['/from']), ...(end ? [] : ['/to'])])
    for (const one of ends) assertWithin(ctx, one)
    if (from === to) return { path: [memoryOf(start)], links: [], cost: 0 }
    const found = await cheapestPath(keyOf(start), keyOf(end), maxHops, expandBy(tx, ctx.tenantId, type))
    if (!found) return { path: [] }
    const steps = found.steps.map((step) => ({ ...step, next: step.to }))
    const walked = await selectSteps(tx, ctx.tenantId, steps, new Map([[keyOf(start), start.id]]))
    for (const { memory } of walked) assertWithin(ctx, memory)
    return { path: [memoryOf(start), ...walked.map((one) => one.memory)], links: walked.map((one) => one.link), cost: found.cost }
  })
}

const keyOf = (row: MemoryRow) => Number(row.memory_key)

function notPresent(pointers: string[]): AppError {
  const errors = pointers.map((pointer) => ({ pointer, detail: 'there is no present memory with this id' }))
  return new AppError('not_found', 'Both ends of a path must be present memories.', { errors })
}

/**
 * One level of a search as one statement. The strongest links of a hub come first in the index, so a least weight ends the reading there. The tenant is
 * a literal, so that every plan knows its partition.
 */
function expandBy(tx: Sql, tenantId: number, type: string | undefined): Expand {
  const tenant = Math.trunc(tenantId)
  return async (direction, from, most) => {
    const [at, next] = direction === 'forward' ? ['from_key', 'to_key'] : ['to_key', 'from_key']
    const rows = await tx.query<Omit<Edge, 'at' | 'next'> & { at: string; next: string; present: boolean | null }>(
      `select l.at, l.next, l.weight, l.type,
         (select ${presentAt('now()')} from memories m where m.tenant_id = ${tenant} and m.memory_key = l.next) as present
       from (
         select f.key as at, l.next, l.weight, l.type from unnest($1::bigint[], $2::double precision[]) f (key, least)
         cross join lateral (
           select l.${next} as next, l.weight, l.type from links l
           where l.tenant_id = ${tenant} and l.${at} = f.key and l.weight >= f.least ${type === undefined ? '' : 'and l.type = $4::text'}) l
         limit $3::bigint) l`,
      [from.map((one) => one.key), from.map((one) => one.leastWeight), most, ...(type === undefined ? [] : [type])],
    )
    const edges = rows.filter((row) => row.present).map((row) => ({ at: Number(row.at), next: Number(row.next), weight: row.weight, type: row.type }))
    return { edges, read: rows.length }
  }
}
