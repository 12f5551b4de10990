import { httpDeps, type Runtime } from '../../shared/host/index.ts'
import type { HttpDeps } from '../../shared/http/index.ts'

export type OutboxDeps = HttpDeps & { wakeDrain: () => void }
export function outboxDeps(runtime: Runtime): OutboxDeps {
  return { ...httpDeps(runtime), wakeDrain: () => runtime.wake('drain-outbox') }
}
