import { jobTask } from '../../shared/host/index.ts'
import { verifyIndexDeps } from './deps.ts'
import { createVerifyIndex } from './handler.ts'

await jobTask('verify-index', 'worker', (runtime) => createVerifyIndex(verifyIndexDeps(runtime)))
