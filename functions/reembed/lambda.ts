import { lambdaJob } from '../../shared/host/index.ts'
import { reembedDeps } from './deps.ts'
import { createReembed } from './handler.ts'

export const handler = lambdaJob('reembed', 'worker', (runtime) => createReembed(reembedDeps(runtime)))
