import { httpTask } from '../../shared/host/index.ts'
import { memoriesDeps } from './deps.ts'
import { createMemories } from './handler.ts'

await httpTask((runtime) => createMemories(memoriesDeps(runtime)))
