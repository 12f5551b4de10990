import { httpDeps, type Runtime } from '../../shared/host/index.ts'
import type { HttpDeps } from '../../shared/http/index.ts'

/** `stage` goes into the prefix of a key. */
export type TenantsDeps = HttpDeps & { stage: string }
export function tenantsDeps(runtime: Runtime): TenantsDeps {
  return { ...httpDeps(runtime), stage: runtime.config.STAGE }
}
