import { lambdaJob } from '../../shared/host/index.ts'
import { rollupUsageDeps } from './deps.ts'
import { createRollupUsage } from './handler.ts'

export const handler = lambdaJob('rollup-usage', 'worker', (runtime) => createRollupUsage(rollupUsageDeps(runtime)))
