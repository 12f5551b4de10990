import { lambdaJob } from '../../shared/host/index.ts'
import { backupHandlerDeps } from './deps.ts'
import { createBackup } from './handler.ts'

export const handler = lambdaJob('backup', 'worker', (runtime) => createBackup(backupHandlerDeps(runtime)))
