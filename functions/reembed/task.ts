import { jobTask } from '../../shared/host/index.ts'
import { reembedDeps } from './deps.ts'
import { createReembed } from './handler.ts'

await jobTask('reembed', 'worker', (runtime) => createReembed(reembedDeps(runtime)))
