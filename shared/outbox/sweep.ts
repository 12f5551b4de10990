import type { Database } from '../db/index.ts'
import type { JobReport } from '../handler/index.ts'

/** Sent rows stay this long for somebody who looks into a delivery; idempotency records as long as the contract says. */
const sentRetention = '1 hour'
const idempotencyRetention = '24 hours'
const batch = 5_000

/** Removes sent outbox rows and old idempotency records, tenant by tenant, in batches that hold no lock for long. */
export async function sweep(worker: Database, signal: AbortSignal): Promise<JobReport> {
  const tenants = await worker.transaction({ role: 'soma_worker', tenantId: null, readOnly: true }, (tx) =>
    tx.query<{ tenant_id: number }>('select tenant_id from tenants order by tenant_id'),
  )
  let done = 0
  for (const { tenant_id: tenantId } of tenants) {
    for (const text of [
      `delete from outbox o where o.tenant_id = $1::integer and o.seq in (select s.seq from outbox s where s.tenant_id = $1::integer and s.status = 'sent' and s.sent_at < now() - interval '${sentRetention}' limit ${batch}) returning 1`,
      `delete from idempotency i where i.tenant_id = $1::integer and i.key in (select k.key from idempotency k where k.tenant_id = $1::integer and k.created_at < now() - interval '${idempotencyRetention}' limit ${batch}) returning 1`,
    ]) {
      for (let removed = batch; removed === batch; ) {
        if (signal.aborted) return { done, remaining: true }
        removed = (await worker.transaction({ role: 'soma_worker', tenantId }, (tx) => tx.query(text, [tenantId]))).length
        done += removed
      }
    }
  }
  return { done, remaining: false }
}
