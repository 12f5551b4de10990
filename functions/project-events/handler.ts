import type { RecordHandler } from '../../shared/handler/index.ts'
import { projectEvents } from '../../shared/projection/index.ts'
import type { ProjectEventsDeps } from './deps.ts'

/** Fills the memory_events projection: every stored version once, in whatever order and however often its event arrives. */
export function createProjectEvents(deps: ProjectEventsDeps): RecordHandler {
  return async (records) => {
    const failures = await projectEvents(deps, records)
    deps.onConsumed(records.length)
    if (failures.length) deps.onFailed(failures.length)
    return failures
  }
}
