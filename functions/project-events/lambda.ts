import { lambdaRecords } from '../../shared/host/index.ts'
import { projectEventsDeps } from './deps.ts'
import { createProjectEvents } from './handler.ts'

export const handler = lambdaRecords((runtime) => createProjectEvents(projectEventsDeps(runtime)))
