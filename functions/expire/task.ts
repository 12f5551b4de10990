import { jobTask } from '../../shared/host/index.ts'
import { expireDeps } from './deps.ts'
import { createExpire } from './handler.ts'

await jobTask('expire', 'worker', (runtime) => createExpire(expireDeps(runtime)))
