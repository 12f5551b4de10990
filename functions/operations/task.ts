import { httpTask } from '../../shared/host/index.ts'
import { operationsDeps } from './deps.ts'
import { createOperations } from './handler.ts'

await httpTask((runtime) => createOperations(operationsDeps(runtime)))
