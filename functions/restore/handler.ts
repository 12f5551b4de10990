import { auditRestore } from '../../shared/audit/index.ts'
import { restore } from '../../shared/backup/index.ts'
import type { JobHandler } from '../../shared/handler/index.ts'
import type { RestoreDeps } from './deps.ts'

/** Fills an empty, migrated database with the archive that the configuration names, or changes nothing. */
export function createRestore({ owner, store, prefix, key, from }: RestoreDeps): JobHandler {
  return async (signal) => {
    if (from === undefined) throw new Error('RESTORE_FROM is missing: it takes the name of the archive to restore, as the report of the backup told it.')
    const report = await restore(owner, { store: await store(), prefix: prefix === '' ? from : `${prefix}/${from}` }, { key, signal })
    await auditRestore(owner, report, 'restore')
    return { done: report.rows, remaining: false, detail: report }
  }
}
