import type { JobHandler } from '../../shared/handler/index.ts'
import { keepBackups } from '../../shared/recovery/index.ts'
import type { KeepBackupsDeps } from './deps.ts'

/** Writes the backup that is due or that somebody asked for, and removes archives that the policy does not keep. */
export function createKeepBackups(deps: KeepBackupsDeps): JobHandler {
  return async (signal) => {
    const { backup, removed } = await keepBackups(deps, signal)
    return { done: backup?.rows ?? 0, remaining: false, ...(backup || removed.length ? { detail: { ...backup, removed } } : {}) }
  }
}
