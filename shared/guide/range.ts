import { presentAt, readCursor, signCursor } from '../memory/index.ts'
import { assertWithin, type Ctx, requireScope } from '../tenant/index.ts'
import { namespaceKeyOf } from './namespace.ts'
import { GuideRange } from './schema.ts'

/** Coords that one request looks at; what lies beyond begins at `next_cursor`. */
export const rangeWindow = 20_000

/**
 * The coords inside a box, ends included, of `default`'s present memories: at most `limit`, by their numbers from the first dimension on. A namespace
 * of more than 20,000 coords is walked window by window in the order of its index, and each window is in that order for itself; a page may then be
 * short or empty while `next_cursor` leads on. @throws AppError forbidden, invalid
 */
export async function coordsInRange(ctx: Ctx, query: unknown): Promise<{ coords: number[][]; next_cursor: string | null }> {
  requireScope(ctx, 'memory:read')
  assertWithin(ctx, { namespace: 'default' })
  const { limit, cursor, ...box } = GuideRange.parse(query)
  const min = numbersOf(box.min)
  const max = numbersOf(box.max)
  // where the window begins, and the last coord of it that was answered
  const [after, last] = cursor === undefined ? ['', null] : (readCursor(ctx, ['range', box], cursor) as [string, string | null])
  const rows = await ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId, readOnly: true }, async (tx) => {
    const namespaceKey = await namespaceKeyOf(tx, ctx.tenantId)
    if (namespaceKey === undefined) return []
    // first the window and then its conditions, so that no condition makes it read on
    return tx.query<{ coord: string; wanted: boolean }>(
      `select w.coord, w.wanted from (
         select m.coord, ${presentAt('now()')} and ($4::text is null or m.memory_type = $4::text) as wanted from memories m
         where m.tenant_id = $1::integer and m.namespace_key = $2::integer and m.coord > $3::text order by m.coord limit ${rangeWindow + 1}) w`,
      [ctx.tenantId, namespaceKey, after, box.type ?? null],
    )
  })
  const window = rows.slice(0, rangeWindow)
  const inside = window.filter((row) => row.wanted).flatMap(({ coord }) => (isInside(numbersOf(coord), min, max) ? [numbersOf(coord)] : []))
  const sorted = inside.sort(compareCoords)
  const left = last === null ? sorted : sorted.filter((coord) => compareCoords(coord, numbersOf(last)) > 0)
  const coords = left.slice(0, limit)
  const position = left.length > limit ? [after, (coords.at(-1) as number[]).join(',')] : rows.length > rangeWindow ? [window.at(-1)?.coord, null] : null
  return { coords, next_cursor: position && signCursor(ctx, ['range', box], position) }
}

const numbersOf = (coord: string) => coord.split(',').map(Number)

function isInside(coord: number[], min: number[], max: number[]): boolean {
  return coord.length === min.length && coord.every((number, i) => number >= (min[i] as number) && number <= (max[i] as number))
}

function compareCoords(a: number[], b: number[]): number {
  for (const [i, number] of a.entries()) if (number !== b[i]) return number - (b[i] as number)
  return 0
}
