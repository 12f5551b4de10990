import { httpTask } from '../../shared/host/index.ts'
import { guideDeps } from './deps.ts'
import { createGuide } from './handler.ts'

await httpTask((runtime) => createGuide(guideDeps(runtime)))
