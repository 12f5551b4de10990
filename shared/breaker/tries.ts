import { DelegateBackoff, handleWhen, retry, TimeoutStrategy, timeout } from 'cockatiel'
import { createRetryBudget } from './budget.ts'
import { type BreakerSettings, DependencyFailure } from './port.ts'

/** A call that failed on the dependency after its last try. */
export class Failed extends Error {
  override readonly name = 'Failed'
  override readonly cause: Error
  /** Whether it counts for all, or for its tenant only. */
  forAll = true
  constructor(cause: unknown) {
    super('')
    this.cause = cause instanceof Error ? cause : new Error(String(cause))
  }
}
/** Exponential with full jitter; a Retry-After beyond this ends the call instead. */
const firstWaitMs = 100
const longestWaitMs = 2_000

export type Tries = <T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal | undefined) => Promise<T>

/** Calls a dependency, each try within its time, and again while a failure may pass and the budget lasts. @throws Failed, or the work's own error */
export function createTries(settings: BreakerSettings): Tries {
  const budget = createRetryBudget()
  const again = handleWhen(
    (error) => error instanceof Failed && error.cause instanceof DependencyFailure && error.cause.again && retryAfterOf(error) <= longestWaitMs && budget.allows(),
  )
  const retrying = retry(again, {
    maxAttempts: settings.retries,
    backoff: new DelegateBackoff(({ attempt, result }) => {
      const askedMs = 'error' in result ? retryAfterOf(result.error) : 0
      return Math.max(askedMs, Math.random() * Math.min(longestWaitMs, firstWaitMs * 2 ** attempt))
    }),
  })
  const inTime = settings.timeoutMs === undefined ? undefined : timeout(settings.timeoutMs, TimeoutStrategy.Aggressive)

  async function once<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    let late = false
    let ended = false
    const timed = (inner: AbortSignal) => {
      // cockatiel's timeout aborts when the work has ended, too
      inner.addEventListener('abort', () => {
        late = !ended && !signal.aborted
      })
      return work(inner).finally(() => {
        ended = true
      })
    }
    try {
      const result = await (inTime ? inTime.execute((context) => timed(context.signal), signal) : work(signal))
      budget.succeeded()
      return result
    } catch (error) {
      // whoever asked is gone: that says nothing about the dependency
      if (signal.aborted) throw signal.reason
      if (!late && !(error instanceof DependencyFailure) && !settings.fails(error)) throw error
      budget.failed()
      throw new Failed(late ? new DependencyFailure(`no answer within ${(settings.timeoutMs as number) / 1000} s`, { cause: error }) : error)
    }
  }

  return (work, signal = never) => retrying.execute(({ signal: given }) => once(work, given), signal)
}

const never = new AbortController().signal

/** How long a failure asks to be left alone. */
export function retryAfterOf(error: unknown): number {
  return error instanceof Failed && error.cause instanceof DependencyFailure ? (error.cause.retryAfterMs ?? 0) : 0
}
