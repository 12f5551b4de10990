import * as z from 'zod'
import type { Sql } from '../db/index.ts'
import { pageQuery, readCursor, signCursor } from '../memory/index.ts'
import type { Ctx } from '../tenant/index.ts'
import { type ActingTenant, actingTenant } from './acting-tenant.ts'
import { rowFilter, type Status } from './row-filter.ts'

export const OutboxSummaryIn = z.strictObject({ tenant: rowFilter.tenant, cursor: pageQuery.cursor })
/** Counts by status; the age of the oldest row that is not sent yet, and of the oldest dead one; why rows are dead, the most frequent reasons first. */
export type OutboxSummary = {
  tenant: string
  pending: number
  leased: number
  sent: number
  dead: number
  oldest_unsent_seconds: number | null
  oldest_dead_seconds: number | null
  dead_because: { last_error: string | null; rows: number }[]
}
const tenantsPerPage = 100
const mostReasons = 5

/** One tenant's outbox in figures; with platform:outbox and no tenant named, that of each tenant that has rows, 100 tenants a page by name. @throws AppError forbidden, invalid */
export async function outboxSummary(ctx: Ctx, query: unknown): Promise<{ items: OutboxSummary[]; next_cursor: string | null }> {
  const { tenant: named, cursor } = OutboxSummaryIn.parse(query)
  const bound = ['outbox summary']
  const after = cursor === undefined ? '' : (readCursor(ctx, bound, cursor) as [string])[0]
  if (named !== undefined || !ctx.scopes.has('platform:outbox')) return { items: [await summaryOf(ctx, await actingTenant(ctx, 'outbox:read', named))], next_cursor: null }
  const tenants = await ctx.worker.statement<{ tenant_id: number; name: string }>(
    { role: 'soma_worker', tenantId: null, readOnly: true },
    `select tenant_id, name from tenants where name > $1::text order by name limit ${tenantsPerPage + 1}`,
    [after],
  )
  const items: OutboxSummary[] = []
  for (const { tenant_id, name } of tenants.slice(0, tenantsPerPage)) {
    const summary = await summaryOf(ctx, { tenantId: tenant_id, tenant: name })
    if (summary.pending + summary.leased + summary.sent + summary.dead > 0) items.push(summary)
  }
  return { items, next_cursor: tenants.length > tenantsPerPage ? signCursor(ctx, bound, [tenants[tenantsPerPage - 1]?.name]) : null }
}

function summaryOf(ctx: Ctx, { tenantId, tenant }: ActingTenant): Promise<OutboxSummary> {
  return ctx.worker.transaction({ role: 'soma_worker', tenantId, readOnly: true }, async (tx) => {
    const counts = await countsOf(tx, tenantId)
    const of = (status: Status) => counts.get(status)?.rows ?? 0
    const unsent = (['pending', 'leased'] as const).flatMap((status) => counts.get(status)?.oldest ?? [])
    return {
      tenant,
      pending: of('pending'),
      leased: of('leased'),
      sent: of('sent'),
      dead: of('dead'),
      oldest_unsent_seconds: unsent.length ? Math.max(...unsent) : null,
      oldest_dead_seconds: counts.get('dead')?.oldest ?? null,
      dead_because: of('dead') ? await reasonsOf(tx, tenantId) : [],
    }
  })
}

async function countsOf(tx: Sql, tenantId: number): Promise<Map<Status, { rows: number; oldest: number }>> {
  const rows = await tx.query<{ status: Status; rows: string; oldest: number }>(
    `select o.status, count(*) as rows, greatest(0, floor(extract(epoch from now() - min(o.created_at))))::double precision as oldest
     from outbox o where o.tenant_id = $1::integer group by o.status`,
    [tenantId],
  )
  return new Map(rows.map((row) => [row.status, { rows: Number(row.rows), oldest: row.oldest }]))
}

async function reasonsOf(tx: Sql, tenantId: number): Promise<OutboxSummary['dead_because']> {
  const rows = await tx.query<{ last_error: string | null; rows: string }>(
    `select o.last_error, count(*) as rows from outbox o where o.tenant_id = $1::integer and o.status = 'dead' group by o.last_error order by 2 desc, 1 limit ${mostReasons}`,
    [tenantId],
  )
  return rows.map((row) => ({ last_error: row.last_error, rows: Number(row.rows) }))
}
