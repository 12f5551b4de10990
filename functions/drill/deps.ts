import type { Database } from '../../shared/db/index.ts'
import { backupDeps, type Runtime } from '../../shared/host/index.ts'
import type { Archives } from '../../shared/recovery/index.ts'

export type DrillDeps = Archives & { owner: Database; worker: Database; signingKey: string; everyHours: number; mostGigabytes: number }
export function drillDeps(runtime: Runtime): DrillDeps {
  const { databases, signingKey, config } = runtime
  return { owner: databases.owner, worker: databases.worker, ...backupDeps(runtime), signingKey, everyHours: config.DRILL_EVERY_HOURS, mostGigabytes: config.DRILL_MAX_GB }
}
