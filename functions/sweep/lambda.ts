import { lambdaJob } from '../../shared/host/index.ts'
import { sweepDeps } from './deps.ts'
import { createSweep } from './handler.ts'

export const handler = lambdaJob('sweep', 'worker', (runtime) => createSweep(sweepDeps(runtime)))
