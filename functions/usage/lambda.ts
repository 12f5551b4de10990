import { lambdaHttp } from '../../shared/host/index.ts'
import { usageDeps } from './deps.ts'
import { createUsage } from './handler.ts'

export const handler = lambdaHttp((runtime) => createUsage(usageDeps(runtime)))
