import { httpTask } from '../../shared/host/index.ts'
import { linksDeps } from './deps.ts'
import { createLinks } from './handler.ts'

await httpTask((runtime) => createLinks(linksDeps(runtime)))
