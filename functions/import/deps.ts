import { httpDeps, type Runtime, transferDeps } from '../../shared/host/index.ts'
import type { HttpDeps } from '../../shared/http/index.ts'
import type { Store } from '../../shared/transfer/index.ts'
import { type Models, modelsReader } from '../../shared/vector/index.ts'

export type ImportDeps = HttpDeps & { wakeDrain: () => void; models: () => Promise<Models>; transfers: Store }
export function importDeps(runtime: Runtime): ImportDeps {
  const models = modelsReader(runtime.databases.worker, runtime.embedder, { waits: runtime.vectorEngine !== undefined })
  return { ...httpDeps(runtime), ...transferDeps(runtime), wakeDrain: () => runtime.wake('drain-outbox'), models }
}
