import { lambdaJob } from '../../shared/host/index.ts'
import { nextExpiry } from '../../shared/memory/index.ts'
import { expireDeps } from './deps.ts'
import { createExpire } from './handler.ts'

export const handler = lambdaJob(
  'expire',
  'worker',
  (runtime) => createExpire(expireDeps(runtime)),
  ({ worker }, signal) => nextExpiry(worker, signal),
)
