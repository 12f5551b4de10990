import type { Database } from '../../db/index.ts'
import { forEachTenant } from '../../tenant/index.ts'
import { folderOf, type Store } from './objects.ts'

const batch = 100

/**
 * Removes the objects of exports and imports whose time is over, whatever wrote them, and then says so: a run that dies between is followed by one that does it again. An
 * import that was never started ends as failed. Answers how many operations. @throws AppError unavailable when the store is away
 */
export async function sweepTransfers(worker: Database, store: Store, signal: AbortSignal): Promise<number> {
  let done = 0
  await forEachTenant(worker, signal, async (tenantId) => {
    const access = { role: 'soma_worker', tenantId } as const
    const due = await worker.statement<{ id: string }>(
      access,
      `select o.operation_id as id from operations o where o.tenant_id = $1::integer and o.objects_until < now() and o.state in ('waiting', 'succeeded', 'failed')
       order by o.objects_until limit ${batch}`,
      [tenantId],
    )
    for (const { id } of due) {
      if (signal.aborted) return
      const objects = await store()
      for (const { key } of await objects.list(folderOf(tenantId, id))) await objects.remove(key)
      await worker.statement(
        access,
        `update operations o set objects_until = null, updated_at = case when o.state = 'waiting' then now() else o.updated_at end,
           problem = case when o.state = 'waiting' then '{"code":"gone","detail":"It was not started in time; what was uploaded is removed."}' else o.problem end,
           state = case when o.state = 'waiting' then 'failed' else o.state end
         where o.tenant_id = $1::integer and o.operation_id = $2::uuid and o.objects_until < now() and o.state in ('waiting', 'succeeded', 'failed')`,
        [tenantId, id],
      )
      done += 1
    }
  })
  return done
}
