import { httpDeps, type Runtime, recallDeps } from '../../shared/host/index.ts'
import type { HttpDeps } from '../../shared/http/index.ts'
import type { RecallDeps } from '../../shared/recall/index.ts'

export type RecallHandlerDeps = HttpDeps & { recall: RecallDeps }
export function recallHandlerDeps(runtime: Runtime): RecallHandlerDeps {
  return { ...httpDeps(runtime), recall: recallDeps(runtime) }
}
