import { jobTask } from '../../shared/host/index.ts'
import { drainOutboxDeps } from './deps.ts'
import { createDrainOutbox } from './handler.ts'

await jobTask('worker', (runtime) => createDrainOutbox(drainOutboxDeps(runtime)))
