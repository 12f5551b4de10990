import { lambdaJob } from '../../shared/host/index.ts'
import { migrateDeps } from './deps.ts'
import { createMigrate } from './handler.ts'

export const handler = lambdaJob('migrate', 'owner', (runtime) => createMigrate(migrateDeps(runtime)))
