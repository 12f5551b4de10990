import { recordsTask } from '../../shared/host/index.ts'
import { projectEventsDeps } from './deps.ts'
import { createProjectEvents } from './handler.ts'

await recordsTask((runtime) => createProjectEvents(projectEventsDeps(runtime)))
