import type { JobHandler } from '../../shared/handler/index.ts'
import { type DrainDeps, drainOutbox } from '../../shared/outbox/index.ts'

/** Publishes what is committed and not yet sent. Woken by a store; its schedule makes good a wake-up that was lost. */
export function createDrainOutbox(deps: DrainDeps): JobHandler {
  return (signal) => drainOutbox(deps, signal)
}
