import * as z from 'zod'
import { type Sql, singly } from '../db/index.ts'
import { AppError } from '../problem/index.ts'
import { assertWithin, type Ctx, requireScope } from '../tenant/index.ts'
import { readCursor, signCursor } from './cursor.ts'
import { settleInstant } from './instant.ts'
import { type MemoryRow, memoriesAt, memoryColumns, memoryOf, notExpired, notExpiredAt } from './rows.ts'
import type { MemoryOut } from './schema.ts'

const uuid = z.uuid()
/** An id that cannot be one names nothing, whatever its form. @throws AppError not_found */
export function memoryId(id: string): string {
  if (!uuid.safeParse(id).success) throw new AppError('not_found', 'There is no memory with this id.')
  return id.toLowerCase()
}

/** The open version of a memory, or the one that was open at the instant `asOf`. @throws AppError not_found when absent, expired, forgotten or another tenant's; as settleInstant */
export async function getMemory(ctx: Ctx, id: string, asOf?: string): Promise<MemoryOut> {
  requireScope(ctx, 'memory:read')
  const known = memoryId(id)
  await settleInstant(ctx, asOf)
  const sql = singly(ctx.app, { role: 'soma_app', tenantId: ctx.tenantId, readOnly: true })
  const row = asOf === undefined ? await selectMemory(sql, ctx.tenantId, known) : await selectMemoryAt(sql, ctx.tenantId, known, asOf)
  if (!row) throw new AppError('not_found', asOf === undefined ? 'There is no memory with this id.' : 'There was no memory with this id then.')
  assertWithin(ctx, row)
  return memoryOf(row)
}

export async function selectMemory(tx: Sql, tenantId: number, id: string, lock: '' | 'for update' = ''): Promise<MemoryRow | undefined> {
  const [row] = await tx.query<MemoryRow>(`select ${memoryColumns} from memories m where m.tenant_id = $1::integer and m.id = $2::uuid and ${notExpired} ${lock}`, [tenantId, id])
  return row
}

async function selectMemoryAt(tx: Sql, tenantId: number, id: string, asOf: string): Promise<MemoryRow | undefined> {
  const at = '$3::timestamptz'
  const [row] = await tx.query<MemoryRow>(`select ${memoryColumns} from ${memoriesAt(at)} where m.tenant_id = $1::integer and m.id = $2::uuid and ${notExpiredAt(at)}`, [
    tenantId,
    id,
    asOf,
  ])
  return row
}

export type Version = MemoryOut & { state: 'open' | 'closed' | 'deleted'; closed_at: string | null }

/**
 * Every version of a memory, oldest first, 100 a page, forgotten ones included; with `asOf` those that were recorded by then, and what was open
 * then as open. @throws AppError forbidden, not_found; as settleInstant
 */
export async function memoryHistory(
  ctx: Ctx,
  id: string,
  query: { cursor?: string | undefined; asOf?: string | undefined } = {},
): Promise<{ items: Version[]; next_cursor: string | null }> {
  requireScope(ctx, 'memory:history')
  const known = memoryId(id)
  await settleInstant(ctx, query.asOf)
  const bound = ['history', known, query.asOf]
  const [after = 0] = query.cursor === undefined ? [] : (readCursor(ctx, bound, query.cursor) as [number])
  const where = 'm.tenant_id = $1::integer and m.id = $2::uuid and m.version > $3::integer and m.recorded_at <= $4::timestamptz'
  const rows = await ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId, readOnly: true }, (tx) =>
    tx.query<MemoryRow & { state: Version['state']; closed_at: Date | null }>(
      `select * from (
         select ${memoryColumns}, case when m.closed_at > $4::timestamptz then 'open' else m.state end as state, case when m.closed_at > $4::timestamptz then null else m.closed_at end as closed_at
         from memory_versions m where ${where}
         union all
         select ${memoryColumns}, 'open', null from memories m where ${where}) v
       order by version limit 101`,
      [ctx.tenantId, known, after, query.asOf ?? 'infinity'],
    ),
  )
  if (!rows.length && after === 0) throw new AppError('not_found', 'There is no memory with this id.')
  // each version has scope ids of its own: a coord may be stored anew by somebody else
  for (const row of rows) assertWithin(ctx, row)
  const items = rows.slice(0, 100).map((row) => ({ ...memoryOf(row), state: row.state, closed_at: row.closed_at?.toISOString() ?? null }))
  return { items, next_cursor: rows.length > 100 ? signCursor(ctx, bound, [items.at(-1)?.version]) : null }
}
