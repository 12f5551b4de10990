import { jobTask } from '../../shared/host/index.ts'
import { sweepDeps } from './deps.ts'
import { createSweep } from './handler.ts'

await jobTask('sweep', 'worker', (runtime) => createSweep(sweepDeps(runtime)))
