import { jobTask } from '../../shared/host/index.ts'
import { runOperationsDeps } from './deps.ts'
import { createRunOperations } from './handler.ts'

await jobTask('run-operations', 'worker', (runtime) => createRunOperations(runOperationsDeps(runtime)))
