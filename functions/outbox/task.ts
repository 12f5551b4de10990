import { httpTask } from '../../shared/host/index.ts'
import { outboxDeps } from './deps.ts'
import { createOutbox } from './handler.ts'

await httpTask((runtime) => createOutbox(outboxDeps(runtime)))
