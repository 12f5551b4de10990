import { httpTask } from '../../shared/host/index.ts'
import { usageDeps } from './deps.ts'
import { createUsage } from './handler.ts'

await httpTask((runtime) => createUsage(usageDeps(runtime)))
