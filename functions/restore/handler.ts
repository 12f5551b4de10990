import { auditRestore } from '../../shared/audit/index.ts'
import { restore, restoreTenant } from '../../shared/backup/index.ts'
import type { JobHandler } from '../../shared/handler/index.ts'
import { archiveOfTime } from '../../shared/recovery/index.ts'
import type { RestoreDeps } from './deps.ts'

/** Fills an empty, migrated database with the archive that the configuration names, or adds one tenant of it to a database that is at work; or changes nothing. */
export function createRestore({ owner, store, prefix, key, from, at, tenant, as }: RestoreDeps): JobHandler {
  return async (signal) => {
    if (from !== undefined && at !== undefined) throw new Error('RESTORE_FROM and RESTORE_AT are both there: the name of an archive, or an instant.')
    if (from === undefined && at === undefined)
      throw new Error('RESTORE_FROM is missing: it takes the name of the archive to restore, as the report of the backup told it; or RESTORE_AT, an instant.')
    if ((tenant === undefined) !== (as === undefined))
      throw new Error('RESTORE_TENANT and RESTORE_AS go together: the tenant of the archive, and the new one that gets its memories.')
    const home = await store()
    const name = from ?? (await archiveOfTime({ store: home, prefix }, key, new Date(at as string)))
    const place = { store: home, prefix: prefix === '' ? name : `${prefix}/${name}` }
    if (tenant !== undefined && as !== undefined) {
      const brought = await restoreTenant(owner, place, { key, signal, tenant, as })
      return { done: brought.rows, remaining: false, detail: brought }
    }
    const report = await restore(owner, place, { key, signal })
    await auditRestore(owner, report, 'restore')
    return { done: report.rows, remaining: false, detail: report }
  }
}
