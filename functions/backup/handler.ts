import type { JobHandler } from '../../shared/handler/index.ts'
import { runBackup } from '../../shared/recovery/index.ts'
import type { BackupDeps } from './deps.ts'

/** Writes an archive of everything under a new name, which its report tells. One that was stopped is gone on with by the next. */
export function createBackup(deps: BackupDeps): JobHandler {
  return async (signal) => {
    const report = await runBackup(deps, 'operator', { signal, pace: deps.pace })
    return { done: report.rows, remaining: false, detail: report }
  }
}
