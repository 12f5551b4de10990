import type { BackupKey } from '../../shared/backup/index.ts'
import type { BlobStore } from '../../shared/blob/index.ts'
import type { Database } from '../../shared/db/index.ts'
import { backupDeps, type Runtime } from '../../shared/host/index.ts'

export type BackupDeps = { worker: Database; store: () => Promise<BlobStore>; prefix: string; key: BackupKey | undefined; pace?: number }
export const backupHandlerDeps = (runtime: Runtime): BackupDeps => ({ worker: runtime.databases.worker, ...backupDeps(runtime), pace: runtime.config.BACKUP_PACE })
