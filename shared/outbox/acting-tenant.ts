import { AppError, invalidField } from '../problem/index.ts'
import { type Ctx, requireScope } from '../tenant/index.ts'

export type ActingTenant = { tenantId: number; tenant: string }

/**
 * Whose rows are meant: the caller's own, or with platform:outbox (which only a key of the system tenant has) those of the tenant that is named. What follows runs
 * inside that tenant, under its row-level security; only its name is looked up across tenants, by the worker's policy of the registry.
 * @throws AppError forbidden, invalid
 */
export async function actingTenant(ctx: Ctx, scope: 'outbox:read' | 'outbox:write', named: string | undefined): Promise<ActingTenant> {
  const own = named === undefined || named === ctx.tenant
  if (own && ctx.scopes.has(scope)) return { tenantId: ctx.tenantId, tenant: ctx.tenant }
  if (!ctx.scopes.has('platform:outbox')) {
    requireScope(ctx, scope)
    throw new AppError('forbidden', 'The rows of another tenant take a key of the tenant "system" with the scope platform:outbox.')
  }
  if (named === undefined) throw invalidField('/tenant', 'is missing: name the tenant; GET /v1/outbox/summary tells which have rows')
  const [row] = await ctx.worker.statement<{ tenant_id: number }>({ role: 'soma_worker', tenantId: null, readOnly: true }, 'select tenant_id from tenants where name = $1::text', [
    named,
  ])
  if (!row) throw invalidField('/tenant', 'names no tenant of this installation')
  return { tenantId: row.tenant_id, tenant: named }
}
