import { faultsOf } from '../../shared/drill/index.ts'
import type { JobHandler } from '../../shared/handler/index.ts'
import { dueDrill } from '../../shared/recovery/index.ts'
import type { DrillDeps } from './deps.ts'

/** Restores the newest backup beside the live data, examines it and removes it, when that is due or somebody asked for it. A backup that cannot be proved fails the job. */
export function createDrill(deps: DrillDeps): JobHandler {
  return async (signal) => {
    const report = await dueDrill(deps, signal)
    if (report && !report.ok) throw new Error(`The drill of the backup ${report.archive ?? '(none)'} failed. ${faultsOf(report)}`)
    return { done: report?.rows ?? 0, remaining: false, ...(report ? { detail: report } : {}) }
  }
}
