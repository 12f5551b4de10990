import type { Sql } from '../db/index.ts'
import { params } from '../filter/index.ts'
import { memoryId, presentAt } from '../memory/index.ts'
import { AppError, invalidField } from '../problem/index.ts'
import { assertWithin, type Ctx, requireScope } from '../tenant/index.ts'
import { type Step, selectPresent, selectSteps } from './rows.ts'
import { type Neighbors, NeighborsIn } from './schema.ts'

/** How many links to memories that are not present, or were found before, one hop passes by. */
export const passedBy = 100_000
type Direction = 'out' | 'in' | 'both'

/**
 * The present memories around one, each once at its fewest hops, a nearer hop first, in a hop those of the strongest links, then the earlier ones.
 * @throws AppError forbidden, not_found when the memory is not present, invalid also when too many links had to be passed by
 */
export async function neighbors(ctx: Ctx, id: string, query: unknown = {}): Promise<Neighbors> {
  requireScope(ctx, 'memory:read')
  const { type, direction, hops, limit } = NeighborsIn.parse(query)
  return ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId, readOnly: true }, async (tx) => {
    const [start] = await selectPresent(tx, ctx.tenantId, [memoryId(id)])
    if (!start) throw new AppError('not_found', 'There is no present memory with this id.')
    assertWithin(ctx, start)
    let seen = [Number(start.memory_key)]
    const found: (Step & { hops: number })[] = []
    for (let hop = 1, frontier = seen; hop <= hops && frontier.length && found.length < limit; hop++) {
      const steps = await nextHop(tx, ctx.tenantId, { frontier, seen, type, direction, most: limit - found.length })
      frontier = steps.map((step) => step.next)
      seen = [...seen, ...frontier]
      found.push(...steps.map((step) => ({ ...step, hops: hop })))
    }
    // a hop goes on from what the one before has found, so all that was passed is here
    const walked = await selectSteps(tx, ctx.tenantId, found, new Map([[Number(start.memory_key), start.id]]))
    for (const { memory } of walked) assertWithin(ctx, memory)
    return { items: walked.map((one, i) => ({ ...one, hops: (found[i] as { hops: number }).hops })) }
  })
}

type Hop = { frontier: number[]; seen: number[]; type: string | undefined; direction: Direction; most: number }

/** The strongest link to each memory that is one link further, the strongest of these first. */
async function nextHop(tx: Sql, tenantId: number, hop: Hop): Promise<Step[]> {
  // one more than is asked for, to see that nothing before the last was left out; more only where many parallel links lead to few memories
  for (let rows = hop.most + 1; ; rows *= 4) {
    const arms = await selectArms(tx, tenantId, hop, rows)
    const all = arms.flat().sort((a, b) => byStrength(a, b) || a.at - b.at || a.from - b.from || (a.type < b.type ? -1 : 1))
    const chosen = [...new Map(all.toReversed().map((one) => [one.next, one])).values()].sort(byStrength).slice(0, hop.most)
    const last = chosen[hop.most - 1]
    if (arms.every((arm) => arm.length < rows || (last && byStrength(last, arm[rows - 1] as ArmLink) < 0))) return chosen
  }
}

type ArmLink = Step & { at: number; weight: number }
const byStrength = (a: ArmLink, b: ArmLink) => b.weight - a.weight || a.next - b.next
type Row = { at: string; from_key: string; to_key: string; type: string; weight: number; next: string; passed_by: boolean }

/**
 * For each memory of the frontier (both ways: twice) its strongest links to present memories that were not seen yet, read in the order of the index
 * and looked up row by row until there are enough. The tenant is a literal, so that every plan knows its partition and that order.
 */
async function selectArms(tx: Sql, tenantId: number, { frontier, seen, type, direction }: Hop, rows: number): Promise<ArmLink[][]> {
  const tenant = Math.trunc(tenantId)
  const p = params()
  const [from, known, count, furthest] = [
    p.add(frontier, 'bigint[]'),
    p.add(seen, 'bigint[]'),
    p.add(rows, 'bigint'),
    p.add(rows + Math.floor(passedBy / frontier.length), 'bigint'),
  ]
  const ofType = type === undefined ? '' : `and l.type = ${p.add(type, 'text')}`
  const arm = async (at: string, next: string): Promise<ArmLink[][]> => {
    const found = await tx.query<Row>(
      `select f.key as at, n.* from unnest(${from}) f (key) cross join lateral (
         select l.from_key, l.to_key, l.type, l.weight, l.next, l.place > ${furthest} as passed_by from (
           select l.from_key, l.to_key, l.type, l.weight, l.${next} as next, row_number() over (order by l.weight desc, l.${next}) as place from links l
           where l.tenant_id = ${tenant} and l.${at} = f.key ${ofType} order by l.weight desc, l.${next} limit ${furthest} + 1) l
         where l.place > ${furthest} or (l.next <> all (${known}) and (select ${presentAt('now()')} from memories m where m.tenant_id = ${tenant} and m.memory_key = l.next))
         order by l.weight desc, l.next limit ${count}) n`,
      p.values,
    )
    if (found.some((row) => row.passed_by)) {
      throw invalidField('/limit', `more than ${passedBy} links to memories that are not present would have to be passed by: take a smaller limit, fewer hops, or give a type`)
    }
    const links = found.map((row) => ({ at: Number(row.at), from: Number(row.from_key), to: Number(row.to_key), type: row.type, weight: row.weight, next: Number(row.next) }))
    return [...Map.groupBy(links, (link) => link.at).values()]
  }
  return [...(direction === 'in' ? [] : await arm('from_key', 'to_key')), ...(direction === 'out' ? [] : await arm('to_key', 'from_key'))]
}
