import { setTimeout as sleep } from 'node:timers/promises'
import { type Database, singly } from '../db/index.ts'
import { forEachTenant } from '../tenant/index.ts'

const batchRows = 1_000
const tables = ['vectors', 'closed_vectors'] as const

/**
 * Removes the vectors of models that were dropped, batch by batch, resting as long as it works. What is written late, by a process that had not heard of the
 * drop, goes with the next run. `whole`: it reached all tenants.
 */
export async function removeDropped(worker: Database, signal: AbortSignal, onBatch: (removed: number) => void = () => {}): Promise<{ removed: number; whole: boolean }> {
  const dropped = await singly(worker, { role: 'soma_worker', tenantId: null, readOnly: true }).query<{ model_key: number }>(
    'select model_key from embedding_models where dropped_at is not null order by model_key',
  )
  let removed = 0
  if (!dropped.length) return { removed, whole: true }
  const whole = await forEachTenant(worker, signal, async (tenantId) => {
    for (const { model_key: model } of dropped) {
      for (const table of tables) {
        for (let gone = batchRows; gone === batchRows && !signal.aborted; ) {
          const started = performance.now()
          gone = await removeBatch(worker, tenantId, model, table)
          removed += gone
          onBatch(removed)
          if (gone) await sleep(performance.now() - started, undefined, { signal }).catch(() => {})
        }
      }
    }
  })
  return { removed, whole }
}

/** The model is looked at again in the statement: it may have been introduced anew. */
async function removeBatch(worker: Database, tenantId: number, model: number, table: (typeof tables)[number]): Promise<number> {
  const [row] = await singly(worker, { role: 'soma_worker', tenantId }).query<{ count: string }>(
    `with gone as (
       delete from ${table} v using (
         select o.memory_key, o.version from ${table} o where o.tenant_id = $1::integer and o.model_key = $2::smallint limit ${batchRows}) o
       where v.tenant_id = $1::integer and v.model_key = $2::smallint and v.memory_key = o.memory_key and v.version = o.version
         and exists (select from embedding_models e where e.model_key = $2::smallint and e.dropped_at is not null) returning 1)
     select count(*) as count from gone`,
    [tenantId, model],
  )
  return Number(row?.count ?? 0)
}
