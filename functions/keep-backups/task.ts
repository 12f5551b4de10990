import { jobTask } from '../../shared/host/index.ts'
import { keepBackupsDeps } from './deps.ts'
import { createKeepBackups } from './handler.ts'

await jobTask('keep-backups', 'worker', (runtime) => createKeepBackups(keepBackupsDeps(runtime)))
