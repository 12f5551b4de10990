import { httpDeps, type Runtime } from '../../shared/host/index.ts'
import type { HttpDeps } from '../../shared/http/index.ts'

export type MemoriesDeps = HttpDeps & { wakeDrain: () => void; wakeOperations: () => void }
export function memoriesDeps(runtime: Runtime): MemoriesDeps {
  return { ...httpDeps(runtime), wakeDrain: () => runtime.wake('drain-outbox'), wakeOperations: () => runtime.wake('run-operations') }
}
