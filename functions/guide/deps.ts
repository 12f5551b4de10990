import { httpDeps, type Runtime, recallDeps } from '../../shared/host/index.ts'
import type { HttpDeps } from '../../shared/http/index.ts'
import type { RecallDeps } from '../../shared/recall/index.ts'

export type GuideDeps = HttpDeps & { recall: RecallDeps; wakeDrain: () => void }
export function guideDeps(runtime: Runtime): GuideDeps {
  return { ...httpDeps(runtime), recall: recallDeps(runtime), wakeDrain: () => runtime.wake('drain-outbox') }
}
