/** What is called outside of this process and may be away, as the label of its metrics. A new one is a name here and `breakers.of(name)` where it is called. */
export type Dependency = 'broker' | 'embedder' | 'embedder_next' | 'blob_store' | 'redis' | 'vector_engine' | 'issuer'
export type BreakerState = 'closed' | 'half_open' | 'open'

export type BreakerSettings = {
  /** Calls in a row that fail until it opens for everybody; three fifths of them, of one tenant, open it for that tenant. */
  failures: number
  /** While it is open nothing is called for so long, less up to a half of it. */
  openMs: number
  /** A try takes so long at most; absent: whoever is called has timeouts of its own. */
  timeoutMs?: number
  /** Further tries of a call, as far as the budget of retries goes. */
  retries: number
  /** Calls at the same time, of one tenant and in all; three times as many wait for their turn. */
  concurrent: { tenant: number; all: number }
  /** Whether an error that the work throws is one of the dependency; what else it throws counts for nothing and passes as it is. */
  fails: (error: unknown) => boolean
}

/** `tenant` is whose work it is, where it is somebody's; `signal` that of the caller, who may go away. */
export type BreakerCall = { tenant?: string | undefined; signal?: AbortSignal | undefined }

/** The way to a dependency. */
export type Breaker = {
  /**
   * Does the work, again where that may help, unless the dependency is known to be away. The signal that the work is given ends it.
   * @throws AppError unavailable when the dependency is away, too late, or taken up by others; the work's own error when that says nothing about the dependency
   */
  run<T>(work: (signal: AbortSignal) => Promise<T>, call?: BreakerCall): Promise<T>
  /** Of the dependency as a whole, or for a tenant. */
  state(tenant?: string): BreakerState
  /** Seconds since a call last succeeded. */
  sinceSuccess(): number
}

/** `tenants` are those that were refused or failed lately, and always `default`. */
export type BreakerStates = { dependencies: { dependency: Dependency; state: BreakerState }[]; tenants: { tenant: string; state: BreakerState }[] }

/** The breakers of one process. */
export type Breakers = {
  /** The breaker of a dependency; it is made, with these settings, by the first who asks. */
  of(dependency: Dependency, settings?: Partial<BreakerSettings>): Breaker
  states(): BreakerStates
}

/** Thrown by the work: the dependency failed. `again`: another try may help, `retryAfterMs` not before then. */
export class DependencyFailure extends Error {
  override readonly name = 'DependencyFailure'
  readonly again: boolean
  readonly retryAfterMs: number | undefined
  constructor(message: string, { again = false, retryAfterMs, cause }: { again?: boolean; retryAfterMs?: number | undefined; cause?: unknown } = {}) {
    super(message, { cause })
    this.again = again
    this.retryAfterMs = retryAfterMs
  }
}
