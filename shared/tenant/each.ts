import type { Database } from '../db/index.ts'
import { AppError } from '../problem/index.ts'

/**
 * Runs a job's work for each tenant, in turn, until the signal ends it. One whose work fails holds up no other: its error is thrown at the end, with
 * those of the others. Answers whether all were reached. @throws AggregateError; AppError unavailable at once, as the next tenant would fail alike
 */
export async function forEachTenant(worker: Database, signal: AbortSignal, work: (tenantId: number) => Promise<void>): Promise<boolean> {
  const tenants = await worker.transaction({ role: 'soma_worker', tenantId: null, readOnly: true }, (tx) =>
    tx.query<{ tenant_id: number }>('select tenant_id from tenants order by tenant_id'),
  )
  const errors: unknown[] = []
  for (const { tenant_id: tenantId } of tenants) {
    if (signal.aborted) return false
    try {
      await work(tenantId)
    } catch (error) {
      if (error instanceof AppError && error.code === 'unavailable') throw error
      errors.push(new Error(`The work for tenant ${tenantId} failed: ${error instanceof Error ? error.message : error}`, { cause: error }))
    }
  }
  if (errors.length) throw new AggregateError(errors, errors.map((error) => (error as Error).message).join(' '))
  return !signal.aborted
}
