import { lambdaHttp } from '../../shared/host/index.ts'
import { operationsDeps } from './deps.ts'
import { createOperations } from './handler.ts'

export const handler = lambdaHttp((runtime) => createOperations(operationsDeps(runtime)))
