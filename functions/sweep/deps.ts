import type { Database } from '../../shared/db/index.ts'
import { type Runtime, transferDeps } from '../../shared/host/index.ts'
import type { Store } from '../../shared/transfer/index.ts'

export type SweepDeps = { worker: Database; transfers: Store }
export const sweepDeps = (runtime: Runtime): SweepDeps => ({ worker: runtime.databases.worker, ...transferDeps(runtime) })
