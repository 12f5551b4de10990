import { CircuitState, ConsecutiveBreaker, circuitBreaker, handleWhen, type IBackoff, type ICircuitBreakerOptions } from 'cockatiel'
import type { BreakerState } from './port.ts'

export type Circuit = {
  run<T>(work: () => Promise<T>): Promise<T>
  state(): BreakerState
  /** Milliseconds until it lets a call through: 0 when it does. */
  refusesForMs(): number
  /** Closed, and the last call did not fail. */
  untouched(): boolean
}
/** Whoever is told to come back later than this finds it closed before that: an hour of a wrong header would be an outage of ours. */
const longestOpenMs = 60_000
/** A call that waits to know whether the dependency is back: others are refused meanwhile. */
const decidingMs = 1_000

const names = { [CircuitState.Closed]: 'closed', [CircuitState.Open]: 'open', [CircuitState.HalfOpen]: 'half_open', [CircuitState.Isolated]: 'open' } as const

/**
 * Opens after so many failures in a row; when its time is over it lets one call through, whose end decides. Cockatiel compares times of the wall clock, which may
 * jump: how long it stays open is therefore told by a `duration` that is without end until the monotonic clock says so.
 */
export function createCircuit(options: {
  failures: number
  openMs: number
  counts: (error: unknown) => boolean
  retryAfterMs: (error: unknown) => number
  onState: (state: BreakerState) => void
}): Circuit {
  const counter = new ConsecutiveBreaker(options.failures)
  let until = 0
  const opening: ICircuitBreakerOptions['halfOpenAfter'] & object = {
    next({ result }): IBackoff<unknown> {
      const asked = 'error' in result ? options.retryAfterMs(result.error) : 0
      until = performance.now() + Math.max(options.openMs * (0.5 + Math.random() / 2), Math.min(asked, longestOpenMs))
      return {
        get duration() {
          return performance.now() < until ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
        },
        next: (context) => opening.next(context as Parameters<typeof opening.next>[0]),
      }
    },
  }
  const policy = circuitBreaker(handleWhen(options.counts), { breaker: counter, halfOpenAfter: opening })
  policy.onStateChange((state) => options.onState(names[state]))
  return {
    run: (work) => policy.execute(work),
    state: () => names[policy.state],
    refusesForMs() {
      // cockatiel would have a second caller wait for the first one's end
      if (policy.state === CircuitState.HalfOpen) return decidingMs
      return policy.state === CircuitState.Open ? Math.max(0, until - performance.now()) : 0
    },
    untouched: () => policy.state === CircuitState.Closed && counter.state === 0,
  }
}
