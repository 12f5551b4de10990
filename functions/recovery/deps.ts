import { httpDeps, type Runtime } from '../../shared/host/index.ts'
import type { HttpDeps } from '../../shared/http/index.ts'

export type RecoveryDeps = HttpDeps & { wake: (job: 'keep-backups' | 'drill') => void }
export function recoveryDeps(runtime: Runtime): RecoveryDeps {
  return { ...httpDeps(runtime), wake: runtime.wake }
}
