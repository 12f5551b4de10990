import { httpTask } from '../../shared/host/index.ts'
import { recallHandlerDeps } from './deps.ts'
import { createRecall } from './handler.ts'

await httpTask((runtime) => createRecall(recallHandlerDeps(runtime)))
