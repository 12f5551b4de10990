import { jobTask } from '../../shared/host/index.ts'
import { reembedDeps } from './deps.ts'
import { createReembed } from './handler.ts'

await jobTask('worker', (runtime) => createReembed(reembedDeps(runtime)))
