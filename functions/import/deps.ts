import { httpDeps, type Runtime } from '../../shared/host/index.ts'
import type { HttpDeps } from '../../shared/http/index.ts'
import { type Models, modelsReader } from '../../shared/vector/index.ts'

export type ImportDeps = HttpDeps & { wakeDrain: () => void; models: () => Promise<Models> }
export function importDeps(runtime: Runtime): ImportDeps {
  return { ...httpDeps(runtime), wakeDrain: () => runtime.wake('drain-outbox'), models: modelsReader(runtime.databases.worker, runtime.embedder) }
}
