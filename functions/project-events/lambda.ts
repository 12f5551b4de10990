import { lambdaRecords } from '../../shared/host/index.ts'
import { recordsRow } from '../manifest.ts'
import { projectEventsDeps } from './deps.ts'
import { createProjectEvents } from './handler.ts'

export const handler = lambdaRecords(recordsRow('project-events'), (runtime) => createProjectEvents(projectEventsDeps(runtime)))
