import * as z from 'zod'
import { AppError } from '../problem/index.ts'
import { type Ctx, memoryScopes, requireScope } from './context.ts'
import { appendAudit, insertKey, type KeyOut } from './keys.ts'

const TenantName = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'takes 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit')
export const TenantIn = z.strictObject({ name: TenantName })
export const TenantPatch = z.strictObject({ status: z.enum(['active', 'suspended']) })
export type TenantOut = { name: string; status: 'active' | 'suspended'; created_at: string }
type Row = { tenant_id: number; name: string; status: 'active' | 'suspended'; created_at: Date }
const outOf = (row: Row): TenantOut => ({ name: row.name, status: row.status, created_at: row.created_at.toISOString() })

/** Creates a tenant and its first admin key, shown in this answer only. @throws AppError conflict when the name is taken */
export async function createTenant(ctx: Ctx, stage: string, body: unknown): Promise<TenantOut & { admin_key: KeyOut }> {
  requireScope(ctx, 'platform:tenants')
  const { name } = TenantIn.parse(body)
  return ctx.worker.transaction({ role: 'soma_worker', tenantId: ctx.tenantId }, async (tx) => {
    const [created] = await tx.query<Row>('insert into tenants (name) values ($1::text) on conflict (name) do nothing returning tenant_id, name, status, created_at', [name])
    if (!created) throw new AppError('conflict', `A tenant named "${name}" exists already.`)
    await appendAudit(tx, ctx, 'tenant.create', name)
    // the same transaction goes on inside the new tenant: no tenant is ever without its key
    await tx.query(`select set_config('soma.tenant', $1::text, true)`, [String(created.tenant_id)])
    const adminKey = await insertKey(tx, created.tenant_id, stage, { name: 'first admin key', scopes: [...memoryScopes, 'admin'] })
    await appendAudit(tx, { ...ctx, tenantId: created.tenant_id }, 'key.create', adminKey.id)
    return { ...outOf(created), admin_key: adminKey }
  })
}

/** Tenants by name, 100 a page; the cursor is the last name. */
export async function listTenants(ctx: Ctx, after = ''): Promise<{ items: TenantOut[]; next_cursor: string | null }> {
  requireScope(ctx, 'platform:tenants')
  const rows = await ctx.worker.transaction({ role: 'soma_worker', tenantId: null, readOnly: true }, (tx) =>
    tx.query<Row>('select tenant_id, name, status, created_at from tenants where name > $1::text order by name limit 101', [after]),
  )
  const items = rows.slice(0, 100).map(outOf)
  return { items, next_cursor: rows.length > 100 ? (items.at(-1)?.name ?? null) : null }
}

/** Suspends or resumes a tenant; its credentials are refused within 5 s. @throws AppError not_found */
export async function setTenantStatus(ctx: Ctx, name: string, body: unknown): Promise<TenantOut> {
  requireScope(ctx, 'platform:tenants')
  const { status } = TenantPatch.parse(body)
  return ctx.worker.transaction({ role: 'soma_worker', tenantId: ctx.tenantId }, async (tx) => {
    const [row] = await tx.query<Row>(`update tenants set status = $2::text where name = $1::text and tenant_id <> 0 returning tenant_id, name, status, created_at`, [name, status])
    if (!row) throw new AppError('not_found', `There is no tenant "${name}" that can be changed.`)
    await appendAudit(tx, ctx, `tenant.${status === 'active' ? 'resume' : 'suspend'}`, name)
    return outOf(row)
  })
}
