import type { Database } from '../../shared/db/index.ts'
import { type Runtime, transferDeps } from '../../shared/host/index.ts'
import { type KnownModels, type Store, type TransferLimits, transferLimits } from '../../shared/transfer/index.ts'
import { modelsReader } from '../../shared/vector/index.ts'

export type RunOperationsDeps = {
  worker: Database
  transfers: Store
  models: () => Promise<KnownModels>
  limits: TransferLimits
  wakeDrain: () => void
  wakesSent: () => Promise<void>
}
export function runOperationsDeps(runtime: Runtime): RunOperationsDeps {
  const { worker } = runtime.databases
  return {
    worker,
    ...transferDeps(runtime),
    models: modelsReader(worker, runtime.embedder, { waits: runtime.vectorEngine !== undefined }),
    limits: transferLimits,
    wakeDrain: () => runtime.wake('drain-outbox'),
    wakesSent: runtime.wakesSent,
  }
}
