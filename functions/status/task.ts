import { httpTask } from '../../shared/host/index.ts'
import { statusDeps } from './deps.ts'
import { createStatus } from './handler.ts'

await httpTask((runtime) => createStatus(statusDeps(runtime)))
