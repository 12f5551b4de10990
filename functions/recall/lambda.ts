import { lambdaHttp } from '../../shared/host/index.ts'
import { recallHandlerDeps } from './deps.ts'
import { createRecall } from './handler.ts'

export const handler = lambdaHttp((runtime) => createRecall(recallHandlerDeps(runtime)))
