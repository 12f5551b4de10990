import type { Database } from '../../shared/db/index.ts'
import { backupDeps, type Runtime } from '../../shared/host/index.ts'
import type { Archives, Keep } from '../../shared/recovery/index.ts'

export type KeepBackupsDeps = Archives & { worker: Database; everyHours: number; incrementHours: number; keep: Keep; pace?: number }
export function keepBackupsDeps(runtime: Runtime): KeepBackupsDeps {
  const { BACKUP_EVERY_HOURS: everyHours, BACKUP_INCREMENT_EVERY_HOURS: incrementHours, BACKUP_PACE: pace } = runtime.config
  const { BACKUP_KEEP_DAILY: daily, BACKUP_KEEP_WEEKLY: weekly, BACKUP_KEEP_MONTHLY: monthly } = runtime.config
  return { worker: runtime.databases.worker, ...backupDeps(runtime), everyHours, incrementHours, keep: { daily, weekly, monthly }, pace }
}
