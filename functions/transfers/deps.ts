import { exportedModel, httpDeps, type Runtime, transferDeps } from '../../shared/host/index.ts'
import type { HttpDeps } from '../../shared/http/index.ts'
import type { Model, Store } from '../../shared/transfer/index.ts'

export type TransfersDeps = HttpDeps & { transfers: Store; model: () => Promise<Model>; wakeOperations: () => void }
export function transfersDeps(runtime: Runtime): TransfersDeps {
  return { ...httpDeps(runtime), ...transferDeps(runtime), model: exportedModel(runtime), wakeOperations: () => runtime.wake('run-operations') }
}
