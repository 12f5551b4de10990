import * as z from 'zod'
import { pageQuery, readCursor, signCursor } from '../memory/index.ts'
import type { Ctx } from '../tenant/index.ts'
import { actingTenant } from './acting-tenant.ts'
import { rowFilter, rowsWhere, type Status, statuses } from './row-filter.ts'

export const OutboxIn = z.strictObject({ ...rowFilter, status: z.enum(statuses).optional(), ...pageQuery })

/** An outbox row as operators see it: ids, states and times, nothing of what anybody stored. */
export type OutboxRow = {
  id: string
  tenant: string
  event_id: string
  topic: string
  type: string
  memory_id: string | null
  link_id: string | null
  version: number | null
  status: Status
  attempts: number
  last_error: string | null
  age_seconds: number
  created_at: string
  next_attempt_at: string | null
  lease_expires_at: string | null
  sent_at: string | null
}
type Row = {
  seq: string
  event_id: string
  topic: string
  type: string
  id: string
  version: number | null
  status: Status
  attempts: number
  last_error: string | null
  age: number
  created_at: Date
  next_attempt_at: Date
  lease_expires_at: Date | null
  sent_at: Date | null
}

/** A tenant's outbox rows, the oldest first. @throws AppError forbidden, invalid */
export async function listOutbox(ctx: Ctx, query: unknown): Promise<{ items: OutboxRow[]; next_cursor: string | null }> {
  const { tenant: named, limit, cursor, ...filter } = OutboxIn.parse(query)
  const { tenantId, tenant } = await actingTenant(ctx, 'outbox:read', named)
  const bound = ['outbox', tenantId, filter]
  const { where, p } = rowsWhere(tenantId, filter)
  if (cursor !== undefined) where.push(`o.seq > ${p.add((readCursor(ctx, bound, cursor) as [string])[0], 'bigint')}`)
  const rows = await ctx.worker.statement<Row>(
    { role: 'soma_worker', tenantId, readOnly: true },
    `select o.seq, o.event_id, o.topic, o.type, o.id, o.version, o.status, o.attempts, o.last_error, greatest(0, floor(extract(epoch from now() - o.created_at)))::double precision as age,
       o.created_at, o.next_attempt_at, o.lease_expires_at, o.sent_at
     from outbox o where ${where.join(' and ')} order by o.seq limit ${limit + 1}`,
    p.values,
  )
  const items = rows.slice(0, limit)
  return { items: items.map((row) => rowOut(row, tenant)), next_cursor: rows.length > limit ? signCursor(ctx, bound, [items.at(-1)?.seq]) : null }
}

function rowOut(row: Row, tenant: string): OutboxRow {
  const ofLink = row.type === 'linked' || row.type === 'unlinked'
  return {
    id: row.seq,
    tenant,
    event_id: row.event_id,
    topic: row.topic,
    type: row.type,
    memory_id: ofLink ? null : row.id,
    link_id: ofLink ? row.id : null,
    version: row.version,
    status: row.status,
    attempts: row.attempts,
    last_error: row.last_error,
    age_seconds: row.age,
    created_at: row.created_at.toISOString(),
    next_attempt_at: row.status === 'pending' ? row.next_attempt_at.toISOString() : null,
    lease_expires_at: row.lease_expires_at?.toISOString() ?? null,
    sent_at: row.sent_at?.toISOString() ?? null,
  }
}
