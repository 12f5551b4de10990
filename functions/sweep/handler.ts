import type { JobHandler } from '../../shared/handler/index.ts'
import { sweep } from '../../shared/outbox/index.ts'
import { sweepTransfers } from '../../shared/transfer/index.ts'
import type { SweepDeps } from './deps.ts'

/** Removes what has expired: first the rows of the database, then the objects of exports and imports, as their store may be away. */
export function createSweep({ worker, transfers }: SweepDeps): JobHandler {
  return async (signal) => {
    const report = await sweep(worker, signal)
    const transfersDone = await sweepTransfers(worker, transfers, signal)
    return { ...report, done: report.done + transfersDone }
  }
}
