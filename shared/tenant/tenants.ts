import * as z from 'zod'
import { AppError } from '../problem/index.ts'
import { appendAudit } from './audit.ts'
import { type Ctx, requireScope, tenantScopes } from './context.ts'
import { insertKey, type KeyOut } from './keys.ts'
import { OwnLimits, OwnLimitsPatch } from './limits.ts'

export const TenantName = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'takes 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit')
export const TenantIn = z.strictObject({ name: TenantName, limits: OwnLimits.default({}) })
export const TenantPatch = z
  .strictObject({ status: z.enum(['active', 'suspended']).optional(), limits: OwnLimitsPatch.optional() })
  .refine(({ status, limits }) => status !== undefined || limits !== undefined, { error: 'takes a status, limits, or both' })
export type TenantOut = { name: string; status: 'active' | 'suspended'; created_at: string; limits: OwnLimits }
type Row = { tenant_id: number; name: string; status: 'active' | 'suspended'; created_at: Date; limits: OwnLimits }
const columns = 'tenant_id, name, status, created_at, limits'
const outOf = (row: Row): TenantOut => ({ name: row.name, status: row.status, created_at: row.created_at.toISOString(), limits: row.limits })

/** Creates a tenant and its first admin key, shown in this answer only. @throws AppError conflict when the name is taken */
export async function createTenant(ctx: Ctx, stage: string, body: unknown): Promise<TenantOut & { admin_key: KeyOut }> {
  requireScope(ctx, 'platform:tenants')
  const { name, limits } = TenantIn.parse(body)
  return ctx.worker.transaction({ role: 'soma_worker', tenantId: ctx.tenantId }, async (tx) => {
    const [created] = await tx.query<Row>(`insert into tenants (name, limits) values ($1::text, $2::jsonb) on conflict (name) do nothing returning ${columns}`, [
      name,
      JSON.stringify(limits),
    ])
    if (!created) throw new AppError('conflict', `A tenant named "${name}" exists already.`)
    await appendAudit(tx, ctx, 'tenant.create', name, Object.keys(limits).length ? { limits } : undefined)
    // the same transaction goes on inside the new tenant: no tenant is ever without its key
    await tx.query(`select set_config('soma.tenant', $1::text, true)`, [String(created.tenant_id)])
    const adminKey = await insertKey(tx, created.tenant_id, stage, { name: 'first admin key', scopes: [...tenantScopes] })
    await appendAudit(tx, { ...ctx, tenantId: created.tenant_id }, 'key.create', adminKey.id)
    return { ...outOf(created), admin_key: adminKey }
  })
}

/** Tenants by name, 100 a page; the cursor is the last name. */
export async function listTenants(ctx: Ctx, after = ''): Promise<{ items: TenantOut[]; next_cursor: string | null }> {
  requireScope(ctx, 'platform:tenants')
  const rows = await ctx.worker.transaction({ role: 'soma_worker', tenantId: null, readOnly: true }, (tx) =>
    tx.query<Row>(`select ${columns} from tenants where name > $1::text order by name limit 101`, [after]),
  )
  const items = rows.slice(0, 100).map(outOf)
  return { items, next_cursor: rows.length > 100 ? (items.at(-1)?.name ?? null) : null }
}

/**
 * Suspends or resumes a tenant, or changes its limits: within 5 s everywhere, quotas at once. A limit that is null goes back to the default.
 * @throws AppError not_found
 */
export async function changeTenant(ctx: Ctx, name: string, body: unknown): Promise<TenantOut> {
  requireScope(ctx, 'platform:tenants')
  const { status, limits } = TenantPatch.parse(body)
  return ctx.worker.transaction({ role: 'soma_worker', tenantId: ctx.tenantId }, async (tx) => {
    const [before] = await tx.query<Row>(`select ${columns} from tenants where name = $1::text and tenant_id <> 0 for update`, [name])
    if (!before) throw new AppError('not_found', `There is no tenant "${name}" that can be changed.`)
    const [row] = await tx.query<Row>(
      `update tenants set status = coalesce($2::text, status), limits = jsonb_strip_nulls(limits || $3::jsonb) where tenant_id = $1::integer returning ${columns}`,
      [before.tenant_id, status ?? null, JSON.stringify(limits ?? {})],
    )
    const after = row as Row
    if (status !== undefined) await appendAudit(tx, ctx, `tenant.${status === 'active' ? 'resume' : 'suspend'}`, name)
    if (Object.keys(limits ?? {}).length) {
      await appendAudit(tx, ctx, 'tenant.limit', name, { before: before.limits, after: after.limits })
      // the tenant's own log keeps it too
      await tx.query(`select set_config('soma.tenant', $1::text, true)`, [String(before.tenant_id)])
      await appendAudit(tx, { ...ctx, tenantId: before.tenant_id }, 'tenant.limit', name, { before: before.limits, after: after.limits })
    }
    return outOf(after)
  })
}
