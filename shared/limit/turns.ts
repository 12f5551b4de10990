import { AppError } from '../problem/index.ts'

/** Whose turn it is. A request that has one gives it back when it ends. */
export type Turns = {
  /** Resolves when this tenant may go on, with what gives the turn back. @throws AppError unavailable when too many of the tenant's wait; the signal's reason when the caller goes away */
  take(tenant: number, signal: AbortSignal): Promise<() => void>
}
type Tenant = { running: number; waiting: Set<() => void>; lastAt: number }

/** A tenant counts as there for so long after its last request. */
const quietMs = 1_000
const sweepMs = 250
/** So that a slow request of a tenant does not hold up its others. */
const least = 2
/** Requests of one tenant that wait. */
const longest = 500

/**
 * Shares what can run at once in this process equally among the tenants that are there: a tenant who is alone has all of it, and of a tenant's burst beside others only
 * its share runs while the rest waits in its order, so that the others meet a database that has room for them. `slots` is the size of the connection pool.
 */
export function createTurns(slots: number, now: () => number = () => performance.now()): Turns {
  const tenants = new Map<number, Tenant>()
  let sweptAt = now()

  function share(): number {
    if (now() - sweptAt >= sweepMs) {
      sweptAt = now()
      for (const [id, { running, lastAt }] of tenants) if (!running && sweptAt - lastAt >= quietMs) tenants.delete(id)
    }
    return Math.max(least, Math.floor(slots / tenants.size))
  }

  function release(tenant: Tenant): void {
    tenant.running -= 1
    tenant.lastAt = now()
    const most = share()
    for (const start of tenant.waiting) {
      if (tenant.running >= most) return
      start()
    }
  }

  /** Takes the turn; what gives it back does so once. */
  function start(tenant: Tenant): () => void {
    tenant.running += 1
    let given = false
    return () => {
      if (given) return
      given = true
      release(tenant)
    }
  }

  return {
    async take(id, signal) {
      signal.throwIfAborted()
      const tenant = tenants.get(id) ?? { running: 0, waiting: new Set(), lastAt: now() }
      tenants.set(id, tenant)
      if (!tenant.waiting.size && tenant.running < share()) return start(tenant)
      if (tenant.waiting.size >= longest) {
        const detail = `${longest} requests of this tenant wait for their turn already: send fewer at once.`
        throw new AppError('unavailable', detail, { retryAfterSeconds: 1 })
      }
      return new Promise((resolve, reject) => {
        const end = () => {
          tenant.waiting.delete(begin)
          signal.removeEventListener('abort', leave)
        }
        const begin = () => {
          end()
          resolve(start(tenant))
        }
        const leave = () => {
          end()
          reject(signal.reason)
        }
        tenant.waiting.add(begin)
        signal.addEventListener('abort', leave)
      })
    },
  }
}
