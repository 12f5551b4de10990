import { lambdaJob } from '../../shared/host/index.ts'
import { nextOperation } from '../../shared/operation/index.ts'
import { runOperationsDeps } from './deps.ts'
import { createRunOperations } from './handler.ts'

export const handler = lambdaJob(
  'run-operations',
  'worker',
  (runtime) => createRunOperations(runOperationsDeps(runtime)),
  ({ worker }, signal) => nextOperation(worker, signal),
)
