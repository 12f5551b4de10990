import { lambdaJob } from '../../shared/host/index.ts'
import { verifyIndexDeps } from './deps.ts'
import { createVerifyIndex } from './handler.ts'

export const handler = lambdaJob('verify-index', 'worker', (runtime) => createVerifyIndex(verifyIndexDeps(runtime)))
