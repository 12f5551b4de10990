import { jobTask } from '../../shared/host/index.ts'
import { migrateDeps } from './deps.ts'
import { createMigrate } from './handler.ts'

await jobTask('migrate', 'owner', (runtime) => createMigrate(migrateDeps(runtime)))
