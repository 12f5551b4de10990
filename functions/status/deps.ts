import { httpDeps, type Runtime } from '../../shared/host/index.ts'
import type { HttpDeps } from '../../shared/http/index.ts'

export type StatusDeps = HttpDeps & { metricsToken: string | undefined; stage: string }
export function statusDeps(runtime: Runtime): StatusDeps {
  return { ...httpDeps(runtime), metricsToken: runtime.config.METRICS_TOKEN, stage: runtime.config.STAGE }
}
