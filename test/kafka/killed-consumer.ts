/** Consumes as project-events would, and dies by kill -9 after the effect of its first batch, before its offset is committed. */
import { recordsRow } from '../../functions/manifest.ts'
import { projectEventsDeps } from '../../functions/project-events/deps.ts'
import { createProjectEvents } from '../../functions/project-events/handler.ts'
import { recordsTask } from '../../shared/host/index.ts'

await recordsTask(recordsRow('project-events'), (runtime) => {
  const apply = createProjectEvents(projectEventsDeps(runtime))
  return async (records) => {
    await apply(records)
    process.kill(process.pid, 'SIGKILL')
    return new Promise(() => {})
  }
})
