import { bulkhead, isBulkheadRejectedError } from 'cockatiel'
import { AppError } from '../problem/index.ts'
import { type Circuit, createCircuit } from './circuit.ts'
import type { Breaker, BreakerCall, BreakerSettings, BreakerState, Dependency } from './port.ts'
import { createTenants } from './tenants.ts'
import { createTries, Failed, retryAfterOf } from './tries.ts'

export type Change = { dependency: Dependency; tenant: string | undefined; state: BreakerState; reason: string | undefined }
export type DependencyBreaker = Breaker & {
  /** Tenants that were refused since it opened, or whose own circuit is not closed. */
  affected(): Map<string, BreakerState>
}
/** Whoever tries whether it is back waits no longer than this; the try itself goes on, and decides. */
const probeMs = 2_000
const mostRefused = 2_000
/** Calls that wait for their turn, for each that may run. */
const queued = 3
const words: Record<Dependency, string> = {
  broker: 'broker',
  embedder: 'embedder',
  embedder_next: 'embedder of the next model',
  blob_store: 'blob store',
  redis: 'Redis',
  vector_engine: 'vector engine',
  issuer: 'issuer of tokens',
}

/**
 * One circuit for the dependency and one for each tenant that fails. A tenant's opens first, so what one tenant sends takes the dependency from nobody else: of its
 * failures in a row only as many count for all as open its own. What is really down is found out by any two tenants, or by one that keeps asking.
 */
export function createDependency(dependency: Dependency, settings: BreakerSettings, onChange: (change: Change) => void): DependencyBreaker {
  const ofTenant = Math.max(1, Math.ceil(settings.failures * 0.6))
  const tries = createTries(settings)
  const slots = bulkhead(settings.concurrent.all, queued * settings.concurrent.all)
  /** What each tenant has added to the failures in a row. */
  const added = new Map<string, number>()
  const refused = new Set<string>()
  let reason: string | undefined
  let succeededAt = Number.NEGATIVE_INFINITY

  const circuitOf = (tenant: string | undefined, failures: number, counts: (failed: Failed) => boolean): Circuit =>
    createCircuit({
      failures,
      openMs: settings.openMs,
      counts: (error) => error instanceof Failed && counts(error),
      retryAfterMs: retryAfterOf,
      onState: (state) => onChange({ dependency, tenant, state, reason }),
    })
  const whole = circuitOf(undefined, settings.failures, ({ forAll }) => forAll)
  const tenants = createTenants({ running: settings.concurrent.tenant, queued: queued * settings.concurrent.tenant }, (tenant) => circuitOf(tenant, ofTenant, () => true))

  function refuse(tenant: string | undefined): void {
    const forAll = whole.refusesForMs()
    if (forAll && tenant !== undefined && refused.size < mostRefused) refused.add(tenant)
    const waitMs = Math.max(forAll, tenant === undefined ? 0 : (tenants.find(tenant)?.circuit.refusesForMs() ?? 0))
    if (waitMs) throw away(`The ${words[dependency]} fails${reason === undefined ? '' : ` (${reason})`}, and is not asked for now.`, waitMs)
  }

  async function tried<T>(work: (signal: AbortSignal) => Promise<T>, tenant: string | undefined, probing: boolean, signal: AbortSignal | undefined): Promise<T> {
    try {
      const result = await tries(work, signal)
      succeededAt = performance.now()
      added.clear()
      return result
    } catch (error) {
      if (error instanceof Failed) {
        reason = error.cause.message
        error.forAll = tenant === undefined || probing || (added.get(tenant) ?? 0) < ofTenant
        if (tenant !== undefined) added.set(tenant, (added.get(tenant) ?? 0) + 1)
        if (added.size > mostRefused) added.clear()
      }
      throw error
    }
  }

  function through<T>(work: (signal: AbortSignal) => Promise<T>, { tenant, signal }: BreakerCall, own: Circuit | undefined): Promise<T> {
    // it may have opened while the call waited for its turn
    refuse(tenant)
    const probing = whole.state() !== 'closed' || (own !== undefined && own.state() !== 'closed')
    // a try that decides for others does not end because its caller goes away; one without a timeout, such as an upload, cannot be left to itself
    const detached = probing && settings.timeoutMs !== undefined
    const call = () => whole.run(() => tried(work, tenant, probing, detached ? undefined : signal))
    const outcome = own ? own.run(call) : call()
    return detached ? soon(outcome, signal, words[dependency]) : outcome
  }

  return {
    async run(work, call = {}) {
      const { tenant, signal } = call
      refuse(tenant)
      try {
        if (tenant === undefined) return await slots.execute(() => through(work, call, undefined), signal)
        return await tenants.hold(tenant, (entry) => entry.slots.execute(() => slots.execute(() => through(work, call, entry.circuit), signal), signal))
      } catch (error) {
        if (signal?.aborted) throw signal.reason
        if (isBulkheadRejectedError(error)) throw away(`The ${words[dependency]} has as many calls under way as it is given at once.`, probeMs, error)
        if (!(error instanceof Failed)) throw error
        const { cause } = error
        throw away(`The ${words[dependency]} fails: ${cause.message}${/[.!?]$/.test(cause.message) ? '' : '.'}`, retryAfterOf(error) || probeMs, cause)
      }
    },
    state(tenant) {
      const own = tenant === undefined ? 'closed' : (tenants.find(tenant)?.circuit.state() ?? 'closed')
      return worse(whole.state(), own)
    },
    sinceSuccess: () => (performance.now() - succeededAt) / 1000,
    affected() {
      if (whole.state() === 'closed') refused.clear()
      const found = new Map<string, BreakerState>()
      for (const [tenant, { circuit }] of tenants.entries()) if (circuit.state() !== 'closed') found.set(tenant, worse(whole.state(), circuit.state()))
      for (const tenant of refused) found.set(tenant, found.get(tenant) ?? whole.state())
      return found
    },
  }
}

const order: BreakerState[] = ['closed', 'half_open', 'open']
export const worse = (a: BreakerState, b: BreakerState): BreakerState => (order.indexOf(a) > order.indexOf(b) ? a : b)

function away(message: string, waitMs: number, cause?: unknown): AppError {
  return new AppError('unavailable', message, { cause, retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)) })
}

/** The outcome, or an end of the waiting for it. */
async function soon<T>(outcome: Promise<T>, signal: AbortSignal | undefined, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  let gone: (() => void) | undefined
  const waiting = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(away(`The ${what} is being tried, and has not answered yet.`, probeMs)), probeMs)
    gone = () => reject(signal?.reason)
    signal?.addEventListener('abort', gone)
  })
  try {
    return await Promise.race([outcome, waiting])
  } finally {
    clearTimeout(timer)
    if (gone) signal?.removeEventListener('abort', gone)
  }
}
