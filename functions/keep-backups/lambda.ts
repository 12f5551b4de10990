import { lambdaJob } from '../../shared/host/index.ts'
import { keepBackupsDeps } from './deps.ts'
import { createKeepBackups } from './handler.ts'

export const handler = lambdaJob('keep-backups', 'worker', (runtime) => createKeepBackups(keepBackupsDeps(runtime)))
