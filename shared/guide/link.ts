import { createLink, type LinkOut, neighbors, path } from '../link/index.ts'
import { type MemoryOut, presentAt } from '../memory/index.ts'
import { AppError, type FieldError } from '../problem/index.ts'
import { type Ctx, requireScope } from '../tenant/index.ts'
import { namespaceKeyOf } from './namespace.ts'
import { GuideLink, GuideNeighbors, GuidePath } from './schema.ts'

export type GuideEdge = Pick<LinkOut, 'id' | 'type' | 'weight' | 'metadata' | 'created_at'>

/** Links the memories at two coords, or replaces the weight of the link that is there. @throws AppError forbidden, invalid, idempotency_* */
export async function guideLink(ctx: Ctx, body: unknown, idempotencyKey?: string): Promise<{ replayed: boolean; body: { ok: true; id: string } }> {
  requireScope(ctx, 'memory:write')
  const { from_coord, to_coord, type, weight } = GuideLink.parse(body)
  const [from, to] = await idsAt(ctx, { '/from_coord': from_coord, '/to_coord': to_coord }, 'invalid')
  const linked = await naming({ '/from': '/from_coord', '/to': '/to_coord' }, () => createLink(ctx, { from, to, type, weight }, idempotencyKey))
  return { replayed: linked.replayed, body: { ok: true, id: linked.link.id } }
}

/** Coord and link of each memory that this one leads to, the strongest first. Those without a coord are left out. @throws AppError forbidden, invalid, not_found */
export async function guideNeighbors(ctx: Ctx, query: unknown): Promise<{ neighbors: [number[], GuideEdge][] }> {
  requireScope(ctx, 'memory:read')
  const { coord, link_type: type, limit } = GuideNeighbors.parse(query)
  const [id] = await idsAt(ctx, { '/coord': coord }, 'not_found')
  const { items } = await naming({}, () => neighbors(ctx, id as string, { limit, ...(type === undefined ? {} : { type }) }))
  return {
    neighbors: items.flatMap(({ link: { from: _from, to: _to, ...edge }, memory }): [number[], GuideEdge][] => {
      const place = placeOf(memory)
      return place ? [[place, edge]] : []
    }),
  }
}

/** The coords along the cheapest path (a link costs 1 / weight), empty when there is none; null stands for a memory without a coord. @throws AppError forbidden, invalid, not_found */
export async function guideShortestPath(ctx: Ctx, query: unknown): Promise<{ path: (number[] | null)[] }> {
  requireScope(ctx, 'memory:read')
  const { frm, to: end, link_type: type } = GuidePath.parse(query)
  const [from, to] = await idsAt(ctx, { '/frm': frm, '/to': end }, 'not_found')
  const found = await naming({ '/max_hops': '/link_type' }, () => path(ctx, { from, to, ...(type === undefined ? {} : { type }) }))
  return { path: found.path.map(placeOf) }
}

/** A coord is one of `default`: in another namespace the same numbers are another place. */
function placeOf({ namespace, coord }: MemoryOut): number[] | null {
  return namespace === 'default' && coord !== null ? coord.split(',').map(Number) : null
}

/** The ids of the present memories at these coords, in their order. @throws AppError with the pointers of those where there is none */
async function idsAt(ctx: Ctx, places: Record<string, string>, code: 'invalid' | 'not_found'): Promise<string[]> {
  const rows = await ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId, readOnly: true }, async (tx) => {
    const namespaceKey = await namespaceKeyOf(tx, ctx.tenantId)
    if (namespaceKey === undefined) return []
    return tx.query<{ coord: string; id: string }>(
      `select m.coord, m.id from unnest($3::text[]) w (coord) cross join lateral (
         select m.coord, m.id from memories m where m.tenant_id = $1::integer and m.namespace_key = $2::integer and m.coord >= w.coord and m.coord <= w.coord and ${presentAt('now()')}
         order by m.coord limit 1) m`,
      [ctx.tenantId, namespaceKey, Object.values(places)],
    )
  })
  const byCoord = new Map(rows.map((row) => [row.coord, row.id]))
  const errors = Object.entries(places).flatMap(([pointer, coord]): FieldError[] => (byCoord.has(coord) ? [] : [{ pointer, detail: 'there is no present memory at this coord' }]))
  if (errors.length) throw new AppError(code, 'There is no present memory at this coord.', { errors })
  return Object.values(places).map((coord) => byCoord.get(coord) as string)
}

/** What the verb behind refuses, by the names that the guides' caller has used. */
async function naming<T>(names: Record<string, string>, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof AppError) || !error.details.errors) throw error
    const errors = error.details.errors.map((one) => ({ ...one, pointer: names[one.pointer] ?? one.pointer }))
    throw new AppError(error.code, error.message, { ...error.details, errors, cause: error })
  }
}
