import type { Database } from '../db/index.ts'
import { defaultTenantId } from '../tenant/index.ts'

/** `pending`: not sent yet, leased rows among them. `oldestSeconds`: the age of the oldest of these. */
export type PendingRow = { tenant: string; pending: number; dead: number; oldestSeconds: number }
const mostTenants = 2_000
/** Rows that are looked at in all: no tenant's figure goes beyond its share, so that a scrape stays cheap however much is waiting. */
const rowsCounted = 100_000
const fewest = 100

/**
 * Unsent and dead rows of those tenants that have any, and always of `default`; tenants whose turn is due come first. Each is counted inside its tenant, up to
 * its share of `mostRows`.
 */
export async function pendingByTenant(worker: Database, mostRows = rowsCounted): Promise<PendingRow[]> {
  return worker.transaction({ role: 'soma_worker', tenantId: null, readOnly: true }, async (tx) => {
    const tenants = await tx.query<{ tenant_id: number; name: string; waiting: boolean }>(
      `select t.tenant_id, t.name, w.first is not null as waiting from tenants t
       left join (select r.tenant_id, min(r.seq) as first from outbox_ready r group by r.tenant_id) w on w.tenant_id = t.tenant_id
       order by t.tenant_id <> ${defaultTenantId}, w.first, t.tenant_id limit $1::integer`,
      [mostTenants],
    )
    const share = Math.max(fewest, Math.floor(mostRows / Math.max(1, tenants.filter(({ waiting }) => waiting).length)))
    const depths = await tx.query<{ tenant_id: number; pending: string; dead: string; age: number | null }>(
      `select d.tenant_id, d.pending, d.dead, greatest(0, extract(epoch from now() - d.oldest))::double precision as age
       from outbox_depths($1::integer[], $2::integer) d where d.tenant_id = ${defaultTenantId} or d.pending > 0 or d.dead > 0`,
      [tenants.map((tenant) => tenant.tenant_id), share],
    )
    const names = new Map(tenants.map((tenant) => [tenant.tenant_id, tenant.name]))
    return depths.map(({ tenant_id, pending, dead, age }) => ({ tenant: names.get(tenant_id) ?? '', pending: Number(pending), dead: Number(dead), oldestSeconds: age ?? 0 }))
  })
}
