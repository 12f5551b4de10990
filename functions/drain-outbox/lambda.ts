import { lambdaJob } from '../../shared/host/index.ts'
import { drainOutboxDeps } from './deps.ts'
import { createDrainOutbox } from './handler.ts'

export const handler = lambdaJob('worker', (runtime) => createDrainOutbox(drainOutboxDeps(runtime)))
