import { lambdaJob } from '../../shared/host/index.ts'
import { nextTurn } from '../../shared/outbox/index.ts'
import { drainOutboxDeps } from './deps.ts'
import { createDrainOutbox } from './handler.ts'

export const handler = lambdaJob(
  'drain-outbox',
  'worker',
  (runtime) => createDrainOutbox(drainOutboxDeps(runtime)),
  ({ worker }) => nextTurn(worker),
)
