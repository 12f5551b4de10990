import { lambdaJob } from '../../shared/host/index.ts'
import { runOperationsDeps } from './deps.ts'
import { createRunOperations } from './handler.ts'

export const handler = lambdaJob('run-operations', 'worker', (runtime) => createRunOperations(runOperationsDeps(runtime)))
