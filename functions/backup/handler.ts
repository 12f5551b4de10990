import { archiveName, backUp } from '../../shared/backup/index.ts'
import type { JobHandler } from '../../shared/handler/index.ts'
import type { BackupDeps } from './deps.ts'

/** Writes an archive of everything under a new name, which its report tells. It does not resume: what was stopped is removed, and the next run begins anew. */
export function createBackup({ worker, store, prefix, key }: BackupDeps): JobHandler {
  return async (signal) => {
    const name = archiveName(new Date())
    const report = await backUp(worker, { store: await store(), prefix: prefix === '' ? name : `${prefix}/${name}` }, { key, signal })
    return { done: report.rows, remaining: false, detail: { name, ...report } }
  }
}
