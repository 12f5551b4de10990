import { lambdaHttp } from '../../shared/host/index.ts'
import { outboxDeps } from './deps.ts'
import { createOutbox } from './handler.ts'

export const handler = lambdaHttp((runtime) => createOutbox(outboxDeps(runtime)))
