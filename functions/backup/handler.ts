import type { JobHandler } from '../../shared/handler/index.ts'
import { runBackup } from '../../shared/recovery/index.ts'
import type { BackupDeps } from './deps.ts'

/** Writes an archive of everything under a new name, which its report tells. It does not resume: what was stopped is removed, and the next run begins anew. */
export function createBackup(deps: BackupDeps): JobHandler {
  return async (signal) => {
    const report = await runBackup(deps, 'operator', { signal })
    return { done: report.rows, remaining: false, detail: report }
  }
}
