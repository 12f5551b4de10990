import { httpDeps, type Runtime } from '../../shared/host/index.ts'
import type { HttpDeps } from '../../shared/http/index.ts'

export type LinksDeps = HttpDeps & { wakeDrain: () => void }
export function linksDeps(runtime: Runtime): LinksDeps {
  return { ...httpDeps(runtime), wakeDrain: () => runtime.wake('drain-outbox') }
}
