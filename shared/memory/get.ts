import * as z from 'zod'
import { type Sql, singly } from '../db/index.ts'
import { AppError } from '../problem/index.ts'
import { type Ctx, requireScope } from '../tenant/index.ts'
import { readCursor, signCursor } from './cursor.ts'
import { type MemoryRow, memoryColumns, memoryOf, notExpired } from './rows.ts'
import type { MemoryOut } from './schema.ts'

const uuid = z.uuid()
/** An id that cannot be one names nothing, whatever its form. @throws AppError not_found */
export function memoryId(id: string): string {
  if (!uuid.safeParse(id).success) throw new AppError('not_found', 'There is no memory with this id.')
  return id.toLowerCase()
}

/** The open version of a memory. @throws AppError not_found when absent, expired, forgotten or another tenant's */
export async function getMemory(ctx: Ctx, id: string): Promise<MemoryOut> {
  requireScope(ctx, 'memory:read')
  const known = memoryId(id)
  const row = await selectMemory(singly(ctx.app, { role: 'soma_app', tenantId: ctx.tenantId, readOnly: true }), ctx.tenantId, known)
  if (!row) throw new AppError('not_found', 'There is no memory with this id.')
  return memoryOf(row)
}

export async function selectMemory(tx: Sql, tenantId: number, id: string, lock: '' | 'for update' = ''): Promise<MemoryRow | undefined> {
  const [row] = await tx.query<MemoryRow>(`select ${memoryColumns} from memories m where m.tenant_id = $1::integer and m.id = $2::uuid and ${notExpired} ${lock}`, [tenantId, id])
  return row
}

export type Version = MemoryOut & { state: 'open' | 'closed' | 'deleted'; closed_at: string | null }

/** Every version of a memory, oldest first, 100 a page, forgotten ones included. @throws AppError forbidden, not_found */
export async function memoryHistory(ctx: Ctx, id: string, cursor?: string): Promise<{ items: Version[]; next_cursor: string | null }> {
  requireScope(ctx, 'memory:history')
  const known = memoryId(id)
  const [after = 0] = cursor === undefined ? [] : (readCursor(ctx, ['history', known], cursor) as [number])
  const rows = await ctx.app.transaction({ role: 'soma_app', tenantId: ctx.tenantId, readOnly: true }, (tx) =>
    tx.query<MemoryRow & { state: Version['state']; closed_at: Date | null }>(
      `select * from (
         select ${memoryColumns}, m.state, m.closed_at from memory_versions m where m.tenant_id = $1::integer and m.id = $2::uuid and m.version > $3::integer
         union all
         select ${memoryColumns}, 'open', null from memories m where m.tenant_id = $1::integer and m.id = $2::uuid and m.version > $3::integer) v
       order by version limit 101`,
      [ctx.tenantId, known, after],
    ),
  )
  if (!rows.length && after === 0) throw new AppError('not_found', 'There is no memory with this id.')
  const items = rows.slice(0, 100).map((row) => ({ ...memoryOf(row), state: row.state, closed_at: row.closed_at?.toISOString() ?? null }))
  return { items, next_cursor: rows.length > 100 ? signCursor(ctx, ['history', known], [items.at(-1)?.version]) : null }
}
