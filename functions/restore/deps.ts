import type { BackupKey } from '../../shared/backup/index.ts'
import type { BlobStore } from '../../shared/blob/index.ts'
import type { Database } from '../../shared/db/index.ts'
import { backupDeps, type Runtime } from '../../shared/host/index.ts'

export type RestoreDeps = {
  owner: Database
  store: () => Promise<BlobStore>
  prefix: string
  key: BackupKey | undefined /** The archive's name, from RESTORE_FROM. */
  from: string | undefined
  /** Instead: the newest of no later than that instant, from RESTORE_AT. */
  at?: string | undefined
  /** Only this tenant of it, from RESTORE_TENANT, as a new one named by RESTORE_AS, into an installation that is at work. */
  tenant?: string | undefined
  as?: string | undefined
}
export const restoreHandlerDeps = (runtime: Runtime): RestoreDeps => ({
  owner: runtime.databases.owner,
  ...backupDeps(runtime),
  from: runtime.config.RESTORE_FROM,
  at: runtime.config.RESTORE_AT,
  tenant: runtime.config.RESTORE_TENANT,
  as: runtime.config.RESTORE_AS,
})
