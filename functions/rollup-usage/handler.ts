import type { JobHandler } from '../../shared/handler/index.ts'
import { largeScope } from '../../shared/recall/index.ts'
import { countWords, rollupUsage } from '../../shared/usage/index.ts'
import type { RollupUsageDeps } from './deps.ts'

/** Folds usage rows into exact counters by scope and hour; and counts the common words of scopes that have grown large. */
export function createRollupUsage({ worker }: RollupUsageDeps): JobHandler {
  return async (signal) => {
    const folded = await rollupUsage(worker, signal)
    const counted = await countWords(worker, largeScope, signal)
    return { done: folded.done + counted.done, remaining: folded.remaining || counted.remaining }
  }
}
