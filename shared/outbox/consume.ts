import type { Database, Role } from '../db/index.ts'
import type { EventRecord, RecordFailure } from '../handler/index.ts'
import { AppError } from '../problem/index.ts'
import { type MemoryEvent, parseRecord } from './event.ts'

export type ReceivedEvent = { index: number; event: MemoryEvent }
export type TenantBatch = { tenantId: number; tenant: string; events: ReceivedEvent[] }
const cacheMs = 5_000

/** The installation's generation, read at most every 5 s. */
export function generationReader(db: Database, role: Role = 'soma_worker'): () => Promise<number> {
  let known: { value: Promise<number>; until: number } | undefined
  return () => {
    if (!known || known.until < Date.now()) {
      const value = db.transaction({ role, tenantId: null, readOnly: true }, async (tx) => {
        const [row] = await tx.query<{ generation: number }>('select generation from installation')
        return row?.generation ?? 1
      })
      known = { value, until: Date.now() + cacheMs }
      value.catch(() => {
        known = undefined
      })
    }
    return known.value
  }
}

/**
 * Parses a batch and sorts it by tenant. Records of another generation belong to a database that was left behind by a restore: they are dropped.
 * What is no event, or names no tenant of ours, comes back as a poison failure and stops nothing.
 */
export async function sortRecords(worker: Database, generation: number, records: readonly EventRecord[]): Promise<{ batches: TenantBatch[]; failures: RecordFailure[] }> {
  const failures: RecordFailure[] = []
  const byTenant = new Map<string, ReceivedEvent[]>()
  for (const [index, record] of records.entries()) {
    if (record.value === null) continue
    try {
      const event = parseRecord(record)
      if (event.generation !== undefined && event.generation !== generation) continue
      const list = byTenant.get(event.tenant_id ?? '') ?? []
      list.push({ index, event })
      byTenant.set(event.tenant_id ?? '', list)
    } catch (error) {
      failures.push({ index, error: error as Error, poison: true })
    }
  }
  const ids = await tenantIds(worker, [...byTenant.keys()])
  const batches: TenantBatch[] = []
  for (const [tenant, events] of byTenant) {
    const tenantId = ids.get(tenant)
    if (tenantId === undefined) failures.push(...events.map(({ index }) => ({ index, error: new Error('the event names no tenant of this installation'), poison: true })))
    else batches.push({ tenantId, tenant, events })
  }
  return { batches, failures }
}

/** What `apply` throws of a single event that no further try can apply. */
export class NeverApplies extends Error {
  override readonly name = 'NeverApplies'
}

/**
 * Runs `apply` on each tenant's events; when a batch fails each event is tried alone, so that one bad event does not hold up the rest. What fails because something
 * is unavailable says nothing about the events: they are away together.
 */
export async function applyByTenant(batches: TenantBatch[], failures: RecordFailure[], apply: (batch: TenantBatch) => Promise<void>): Promise<RecordFailure[]> {
  for (const batch of batches) {
    try {
      await apply(batch)
    } catch (thrown) {
      const error = thrown as Error
      const away = error instanceof AppError && error.code === 'unavailable'
      if (away || batch.events.length === 1) {
        failures.push(...batch.events.map(({ index }) => ({ index, error, poison: error instanceof NeverApplies, ...(away ? { away } : {}) })))
        continue
      }
      await applyByTenant(
        batch.events.map((event) => ({ ...batch, events: [event] })),
        failures,
        apply,
      )
    }
  }
  return failures
}

const knownTenants = new WeakMap<Database, Map<string, number>>()
/** Ids by name. A name never changes its tenant, so what was found is kept; what was not is looked up again. */
async function tenantIds(worker: Database, names: string[]): Promise<Map<string, number>> {
  const known = knownTenants.get(worker) ?? new Map<string, number>()
  knownTenants.set(worker, known)
  const missing = names.filter((name) => !known.has(name))
  if (!missing.length) return known
  const rows = await worker.transaction({ role: 'soma_worker', tenantId: null, readOnly: true }, (tx) =>
    tx.query<{ tenant_id: number; name: string }>('select tenant_id, name from tenants where name = any ($1::text[])', [missing]),
  )
  for (const row of rows) known.set(row.name, row.tenant_id)
  return known
}
