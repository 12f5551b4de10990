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
}
export const restoreHandlerDeps = (runtime: Runtime): RestoreDeps => ({ owner: runtime.databases.owner, ...backupDeps(runtime), from: runtime.config.RESTORE_FROM })
