import { lambdaJob } from '../../shared/host/index.ts'
import { restoreHandlerDeps } from './deps.ts'
import { createRestore } from './handler.ts'

export const handler = lambdaJob('restore', 'owner', (runtime) => createRestore(restoreHandlerDeps(runtime)))
