import type { JobHandler } from '../../shared/handler/index.ts'
import { rollupUsage } from '../../shared/usage/index.ts'
import type { RollupUsageDeps } from './deps.ts'

/** Folds usage rows into exact counters by scope and hour. */
export function createRollupUsage({ worker }: RollupUsageDeps): JobHandler {
  return (signal) => rollupUsage(worker, signal)
}
