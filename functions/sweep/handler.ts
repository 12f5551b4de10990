import type { JobHandler } from '../../shared/handler/index.ts'
import { sweep } from '../../shared/outbox/index.ts'
import type { SweepDeps } from './deps.ts'

/** Removes sent outbox rows, idempotency records and batches of reads whose time is over. */
export function createSweep({ worker }: SweepDeps): JobHandler {
  return (signal) => sweep(worker, signal)
}
