import type { Sql } from '../db/index.ts'
import { Coord, forgetMemory, type MemoryOut, type MemoryRow, memoryColumns, memoryOf, notExpired } from '../memory/index.ts'
import { AppError } from '../problem/index.ts'
import { assertWithin, type Ctx, requireScope } from '../tenant/index.ts'
import { namespaceKeyOf } from './namespace.ts'
import { GuideMemory } from './schema.ts'
import { type GuideStored, storeAt } from './store.ts'

export type GuideMemoryStored = GuideStored & { coord: string; memory_type: MemoryOut['memory_type'] }

/** The later name of store. @throws AppError forbidden, invalid, idempotency_* */
export async function guideStoreMemory(ctx: Ctx, body: unknown, idempotencyKey?: string): Promise<{ replayed: boolean; body: GuideMemoryStored }> {
  requireScope(ctx, 'memory:write')
  const memory = GuideMemory.parse(body)
  const stored = await storeAt(ctx, memory, idempotencyKey)
  return { replayed: stored.replayed, body: { ...stored.body, coord: memory.coord, memory_type: memory.memory_type } }
}

/** The memory at a coord of `default`. @throws AppError forbidden, invalid, not_found */
export async function memoryAt(ctx: Ctx, coord: string): Promise<MemoryOut> {
  requireScope(ctx, 'memory:read')
  const place = coordOf(coord)
  const row = await ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId, readOnly: true }, (tx) => selectAt(tx, ctx.tenantId, place))
  if (!row) throw notThere()
  assertWithin(ctx, row)
  return memoryOf(row)
}

/** Forgets the memory at a coord of `default`; the coord is free then. @throws AppError forbidden, invalid, not_found, idempotency_* */
export async function forgetAt(ctx: Ctx, coord: string, idempotencyKey?: string): Promise<{ replayed: boolean; body: { ok: true; deleted: true; id: string; coord: string } }> {
  requireScope(ctx, 'memory:delete')
  const place = coordOf(coord)
  const id = await ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId, readOnly: true }, async (tx) => {
    // a repeated call names the memory that the first one forgot, whatever stands there since
    const before = idempotencyKey === undefined ? undefined : await forgottenBy(tx, ctx.tenantId, idempotencyKey, place)
    return before ?? (await selectAt(tx, ctx.tenantId, place))?.id
  })
  if (id === undefined) throw notThere()
  const { replayed } = await forgetMemory(ctx, id, { idempotencyKey })
  return { replayed, body: { ok: true, deleted: true, id, coord: place } }
}

/** @throws AppError invalid, with the pointer /coord */
function coordOf(text: string): string {
  const parsed = Coord.safeParse(text)
  if (!parsed.success)
    throw new AppError('invalid', 'The coord in the path takes 1 to 64 finite numbers split by commas.', {
      errors: [{ pointer: '/coord', detail: 'takes 1 to 64 finite numbers split by commas, such as 1,2,3' }],
    })
  return parsed.data
}

async function selectAt(tx: Sql, tenantId: number, coord: string): Promise<MemoryRow | undefined> {
  const namespaceKey = await namespaceKeyOf(tx, tenantId)
  if (namespaceKey === undefined) return undefined
  // as a range in its order: without statistics an equal coord would be looked for in the whole namespace
  const [row] = await tx.query<MemoryRow>(
    `select ${memoryColumns} from memories m where m.tenant_id = $1::integer and m.namespace_key = $2::integer and m.coord >= $3::text and m.coord <= $3::text and ${notExpired} order by m.coord limit 1`,
    [tenantId, namespaceKey, coord],
  )
  return row
}

/** What the call with this key forgot at this coord. */
async function forgottenBy(tx: Sql, tenantId: number, key: string, coord: string): Promise<string | undefined> {
  const [row] = await tx.query<{ id: string }>(
    `select v.id from idempotency i join memory_versions v on v.tenant_id = i.tenant_id and v.id = (i.result->>'id')::uuid and v.version = (i.result->>'version')::integer
     where i.tenant_id = $1::integer and i.key = $2::text and i.status = 204 and v.state = 'deleted' and v.namespace = 'default' and v.coord = $3::text`,
    [tenantId, key, coord],
  )
  return row?.id
}

function notThere(): AppError {
  return new AppError('not_found', 'There is no memory at this coord.')
}
