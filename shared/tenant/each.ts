import type { Database } from '../db/index.ts'
import { AppError } from '../problem/index.ts'

/**
 * Runs a job's work for each tenant, in turn, until the signal ends it. One whose work fails holds up no other: its error is thrown at the end, with
 * those of the others. `among` are the tenants, else all. Answers whether all were reached. @throws AggregateError; AppError unavailable at once, as the next tenant would fail alike
 */
export async function forEachTenant(worker: Database, signal: AbortSignal, work: (tenantId: number) => Promise<void>, among?: readonly number[]): Promise<boolean> {
  const errors: unknown[] = []
  for (const tenantId of among ?? (await tenantIds(worker, 'select tenant_id from tenants order by tenant_id'))) {
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

/** The least number that the statement answers as `seconds` for any tenant, $1; null where it is null for all. @throws Error when the signal ends it */
export async function soonestOfTenants(worker: Database, text: string, signal: AbortSignal): Promise<number | null> {
  const found: number[] = []
  const all = await forEachTenant(worker, signal, async (tenantId) => {
    const [row] = await worker.statement<{ seconds: number | null }>({ role: 'soma_worker', tenantId, readOnly: true }, text, [tenantId])
    if (row && row.seconds !== null) found.push(row.seconds)
  })
  if (!all) throw new Error('Not all tenants were looked at.')
  return found.length ? Math.min(...found) : null
}

/** The tenants that have a scope of at least `from` memories: by an index, whose predicate is matched by the literal. */
export const tenantsWithLargeScopes = (worker: Database, from: number): Promise<number[]> =>
  tenantIds(worker, `select distinct s.tenant_id from scope_stats s where s.memories >= ${Math.trunc(from)} order by s.tenant_id`)

async function tenantIds(worker: Database, text: string): Promise<number[]> {
  const rows = await worker.statement<{ tenant_id: number }>({ role: 'soma_worker', tenantId: null, readOnly: true }, text)
  return rows.map((row) => row.tenant_id)
}
