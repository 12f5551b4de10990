import { recordsTask } from '../../shared/host/index.ts'
import { recordsRow } from '../manifest.ts'
import { projectEventsDeps } from './deps.ts'
import { createProjectEvents } from './handler.ts'

await recordsTask(recordsRow('project-events'), (runtime) => createProjectEvents(projectEventsDeps(runtime)))
