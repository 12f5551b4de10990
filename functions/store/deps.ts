import { httpDeps, type RunningJournal, type Runtime } from '../../shared/host/index.ts'
import type { HttpDeps } from '../../shared/http/index.ts'

export type StoreDeps = HttpDeps & { wakeDrain: () => void; journal: Pick<RunningJournal, 'accept'> | undefined }
export function storeDeps(runtime: Runtime): StoreDeps {
  return { ...httpDeps(runtime), wakeDrain: () => runtime.wake('drain-outbox'), journal: runtime.journal }
}
