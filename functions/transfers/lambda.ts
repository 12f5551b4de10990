import { lambdaHttp } from '../../shared/host/index.ts'
import { transfersDeps } from './deps.ts'
import { createTransfers } from './handler.ts'

export const handler = lambdaHttp((runtime) => createTransfers(transfersDeps(runtime)))
