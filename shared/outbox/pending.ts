import type { Database } from '../db/index.ts'

export type PendingRow = { tenant: string; pending: number; dead: number; oldestSeconds: number }
const mostTenants = 50

/** Unsent rows by tenant: of those whose turn is due, and always of `default`. Each count is made inside its tenant. */
export async function pendingByTenant(worker: Database): Promise<PendingRow[]> {
  const tenants = await worker.transaction({ role: 'soma_worker', tenantId: null, readOnly: true }, (tx) =>
    tx.query<{ tenant_id: number; name: string }>(
      'select t.tenant_id, t.name from tenants t where t.tenant_id = 1 or t.tenant_id in (select r.tenant_id from outbox_ready r) order by t.tenant_id limit $1::integer',
      [mostTenants],
    ),
  )
  const rows: PendingRow[] = []
  for (const { tenant_id, name } of tenants) {
    const [row] = await worker.transaction({ role: 'soma_worker', tenantId: tenant_id, readOnly: true }, (tx) =>
      tx.query<{ pending: string; dead: string; oldest: number }>(
        `select (select count(*) from outbox o where o.tenant_id = $1::integer and o.status = 'pending') + (select count(*) from outbox o where o.tenant_id = $1::integer and o.status = 'leased') as pending,
           (select count(*) from outbox o where o.tenant_id = $1::integer and o.status = 'dead') as dead,
           coalesce(extract(epoch from now() - (select o.created_at from outbox o where o.tenant_id = $1::integer and o.status = 'pending' order by o.seq limit 1)), 0)::double precision as oldest`,
        [tenant_id],
      ),
    )
    if (row) rows.push({ tenant: name, pending: Number(row.pending), dead: Number(row.dead), oldestSeconds: row.oldest })
  }
  return rows
}
