/** Retries while the store is more than half full: a success brings half a try back, a failure costs one (gRPC's retry throttling, proposal A6). */
export type RetryBudget = { succeeded(): void; failed(): void; allows(): boolean }

const most = 20
/** So up to a third of all tries may fail for good while each of them is tried again; in an outage ten are, and then none. */
const perSuccess = 0.5

export function createRetryBudget(): RetryBudget {
  let tokens = most
  return {
    succeeded() {
      tokens = Math.min(most, tokens + perSuccess)
    },
    failed() {
      tokens = Math.max(0, tokens - 1)
    },
    allows: () => tokens > most / 2,
  }
}
