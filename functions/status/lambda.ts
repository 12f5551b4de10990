import { lambdaHttp } from '../../shared/host/index.ts'
import { statusDeps } from './deps.ts'
import { createStatus } from './handler.ts'

export const handler = lambdaHttp((runtime) => createStatus(statusDeps(runtime)))
