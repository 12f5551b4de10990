import { type BulkheadPolicy, bulkhead } from 'cockatiel'
import type { Circuit } from './circuit.ts'

type Entry = { circuit: Circuit; slots: BulkheadPolicy; running: number }
export type Tenants = {
  find(tenant: string): Entry | undefined
  /** Keeps the tenant's entry while the work runs, and after it only when there is something to remember. */
  hold<T>(tenant: string, work: (entry: Entry) => Promise<T>): Promise<T>
  entries(): Iterable<[tenant: string, entry: Entry]>
}

/** Tenants are remembered while they call, and while their last call failed; of these the ones that failed last. */
const mostRemembered = 1_000

export function createTenants(concurrent: { running: number; queued: number }, createCircuit: (tenant: string) => Circuit): Tenants {
  const known = new Map<string, Entry>()
  function forgetOldest(): void {
    for (const [tenant, { running }] of known) {
      if (known.size <= mostRemembered) return
      if (!running) known.delete(tenant)
    }
  }
  return {
    find: (tenant) => known.get(tenant),
    async hold(tenant, work) {
      const entry = known.get(tenant) ?? { circuit: createCircuit(tenant), slots: bulkhead(concurrent.running, concurrent.queued), running: 0 }
      known.set(tenant, entry)
      entry.running += 1
      try {
        return await work(entry)
      } finally {
        entry.running -= 1
        if (!entry.running) {
          known.delete(tenant)
          if (!entry.circuit.untouched()) known.set(tenant, entry)
          forgetOldest()
        }
      }
    },
    entries: () => known,
  }
}
