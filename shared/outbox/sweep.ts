import type { Database } from '../db/index.ts'
import type { JobReport } from '../handler/index.ts'
import { forEachTenant } from '../tenant/index.ts'
import { readyAtNextAttempt } from './attempts.ts'

/** Sent rows stay this long for somebody who looks into a delivery; idempotency records as long as the contract says; batches longer than a flush is repeated. */
const sentRetention = '1 hour'
const idempotencyRetention = '24 hours'
const batchRetention = '24 hours'
/** What an ended operation came to can be asked for as long as this. */
const operationRetention = '30 days'
const batch = 5_000

// a row that is replayed at this moment is pending again as soon as its lock is gone: it is left
const sentRows = `delete from outbox o where o.tenant_id = $1::integer and o.status = 'sent' and o.seq in (select s.seq from outbox s where s.tenant_id = $1::integer and s.status = 'sent' and s.sent_at < now() - $2::interval limit ${batch} for update skip locked) returning 1`
const statements = [
  `delete from idempotency i where i.tenant_id = $1::integer and i.key in (select k.key from idempotency k where k.tenant_id = $1::integer and k.created_at < now() - interval '${idempotencyRetention}' limit ${batch}) returning 1`,
  `delete from usage_batches b where b.tenant_id = $1::integer and b.batch_id in (select k.batch_id from usage_batches k where k.tenant_id = $1::integer and k.at < now() - interval '${batchRetention}' limit ${batch}) returning 1`,
  `delete from operations p where p.tenant_id = $1::integer and p.operation_id in (select o.operation_id from operations o where o.tenant_id = $1::integer and o.state in ('succeeded', 'failed') and o.objects_until is null and o.updated_at < now() - interval '${operationRetention}' limit ${batch}) returning 1`,
  // a scope that has shrunk since its common words were counted: of what was forgotten no word stays here. One that is still large is counted again
  `delete from word_counts c using word_counts whole left join scope_stats t on t.tenant_id = whole.tenant_id and t.scope_key = whole.scope_key where c.tenant_id = $1::integer and whole.tenant_id = $1::integer and whole.scope_key = c.scope_key and whole.term = '' and coalesce(t.memories, 0) < whole.memories * 0.9 returning 1`,
]

/** Pending rows that no ready row speaks for wait for a store that may never come. The drain leaves none behind; should one be left all the same, it costs one sweep. */
const remindDrain = `insert into outbox_ready (tenant_id, not_before) select due.* from (${readyAtNextAttempt}) due where not exists (select from outbox_ready r where r.tenant_id = $1::integer)`

/** Removes sent outbox rows, old idempotency records, the ids of batches of reads and ended operations, tenant by tenant, in batches that hold no lock for long. */
export async function sweep(worker: Database, signal: AbortSignal, keepSent = sentRetention): Promise<JobReport> {
  let done = 0
  const all = await forEachTenant(worker, signal, async (tenantId) => {
    await worker.transaction({ role: 'soma_worker', tenantId }, (tx) => tx.query(remindDrain, [tenantId]))
    for (const [text, ...more] of [[sentRows, keepSent] as const, ...statements.map((statement) => [statement] as const)]) {
      for (let removed = batch; removed === batch && !signal.aborted; ) {
        removed = (await worker.transaction({ role: 'soma_worker', tenantId }, (tx) => tx.query(text, [tenantId, ...more]))).length
        done += removed
      }
    }
  })
  return { done, remaining: !all }
}
