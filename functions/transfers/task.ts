import { httpTask } from '../../shared/host/index.ts'
import { transfersDeps } from './deps.ts'
import { createTransfers } from './handler.ts'

await httpTask((runtime) => createTransfers(transfersDeps(runtime)))
