import { jobTask } from '../../shared/host/index.ts'
import { restoreHandlerDeps } from './deps.ts'
import { createRestore } from './handler.ts'

await jobTask('restore', 'owner', (runtime) => createRestore(restoreHandlerDeps(runtime)))
