import { httpTask } from '../../shared/host/index.ts'
import { recoveryDeps } from './deps.ts'
import { createRecovery } from './handler.ts'

await httpTask((runtime) => createRecovery(recoveryDeps(runtime)))
