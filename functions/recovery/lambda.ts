import { lambdaHttp } from '../../shared/host/index.ts'
import { recoveryDeps } from './deps.ts'
import { createRecovery } from './handler.ts'

export const handler = lambdaHttp((runtime) => createRecovery(recoveryDeps(runtime)))
