import { jobTask } from '../../shared/host/index.ts'
import { drainOutboxDeps } from './deps.ts'
import { createDrainOutbox } from './handler.ts'

await jobTask('drain-outbox', 'worker', (runtime) => createDrainOutbox(drainOutboxDeps(runtime)))
