import { jobTask } from '../../shared/host/index.ts'
import { rollupUsageDeps } from './deps.ts'
import { createRollupUsage } from './handler.ts'

await jobTask('rollup-usage', 'worker', (runtime) => createRollupUsage(rollupUsageDeps(runtime)))
