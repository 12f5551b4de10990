import { jobTask } from '../../shared/host/index.ts'
import { backupHandlerDeps } from './deps.ts'
import { createBackup } from './handler.ts'

await jobTask('backup', 'worker', (runtime) => createBackup(backupHandlerDeps(runtime)))
