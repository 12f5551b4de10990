import * as z from 'zod'
import { params } from '../filter/index.ts'
import { Instant, pageQuery, readCursor, signCursor } from '../memory/index.ts'
import { AppError, invalidField } from '../problem/index.ts'
import { type Ctx, requireScope, TenantIn } from '../tenant/index.ts'

export const Action = z
  .string()
  .regex(/^[a-z_]+(\.[a-z_]+)*$/, 'takes an action such as key.create')
  .max(60)
export const AuditIn = z.strictObject({ tenant: TenantIn.shape.name.optional(), action: Action.optional(), from: Instant.optional(), to: Instant.optional(), ...pageQuery })

/** A row of the log. `position` and `hash` are its place in the chain; null until it is sealed. */
export type AuditEntry = {
  seq: string
  tenant: string
  at: string
  actor: string
  action: string
  target: string | null
  request_id: string | null
  detail: Record<string, unknown> | null
  position: number | null
  hash: string | null
}
type Row = Omit<AuditEntry, 'tenant' | 'at' | 'position'> & { at: Date; key: string; position: string | null }

/** A tenant's audit rows, the newest first. @throws AppError forbidden, invalid */
export async function listAudit(ctx: Ctx, query: unknown): Promise<{ items: AuditEntry[]; next_cursor: string | null }> {
  const { tenant: named, limit, cursor, ...filter } = AuditIn.parse(query)
  const { tenantId, tenant, db, role } = await actingTenant(ctx, named)
  const bound = ['audit', tenantId, filter]
  const p = params([tenantId])
  const where = ['l.tenant_id = $1::integer']
  if (filter.action !== undefined) where.push(`l.action = ${p.add(filter.action, 'text')}`)
  if (filter.from !== undefined) where.push(`l.at >= ${p.add(filter.from, 'timestamptz')}`)
  if (filter.to !== undefined) where.push(`l.at < ${p.add(filter.to, 'timestamptz')}`)
  if (cursor !== undefined) {
    const [at, seq] = readCursor(ctx, bound, cursor) as [string, string]
    where.push(`(l.at, l.seq) < (${p.add(at, 'timestamptz')}, ${p.add(seq, 'bigint')})`)
  }
  const rows = await db.statement<Row>(
    { role, tenantId, readOnly: true },
    `select l.seq::text as seq, l.at, l.at::text as key, l.actor, l.action, l.target, l.request_id, l.detail, c.position::text as position, encode(c.hash, 'hex') as hash
     from (select l.* from audit_log l where ${where.join(' and ')} order by l.at desc, l.seq desc limit ${limit + 1}) l
     left join lateral (select c.position, c.hash from audit_chain c where c.tenant_id = $1::integer and c.seq = l.seq limit 1) c on true order by l.at desc, l.seq desc`,
    p.values,
  )
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  const items = shown.map(({ key: _key, at, position, ...row }) => ({ ...row, tenant, at: at.toISOString(), position: position === null ? null : Number(position) }))
  return { items, next_cursor: rows.length > limit && last ? signCursor(ctx, bound, [last.key, last.seq]) : null }
}

type Acting = { tenantId: number; tenant: string; db: Ctx['app']; role: 'soma_app' | 'soma_worker' }

/** One's own log with the scope admin; that of another tenant, inside of it, with platform:audit, which only a key of the system tenant has. */
async function actingTenant(ctx: Ctx, named: string | undefined): Promise<Acting> {
  if (named === undefined || named === ctx.tenant) {
    requireScope(ctx, 'admin')
    return { tenantId: ctx.tenantId, tenant: ctx.tenant, db: ctx.app, role: 'soma_app' }
  }
  if (!ctx.scopes.has('platform:audit')) throw new AppError('forbidden', 'The audit log of another tenant takes a key of the tenant "system" with the scope platform:audit.')
  const access = { role: 'soma_worker', tenantId: null, readOnly: true } as const
  const [row] = await ctx.worker.statement<{ tenant_id: number }>(access, 'select tenant_id from tenants where name = $1::text', [named])
  if (!row) throw invalidField('/tenant', 'names no tenant of this installation')
  return { tenantId: row.tenant_id, tenant: named, db: ctx.worker, role: 'soma_worker' }
}
