import { lambdaHttp } from '../../shared/host/index.ts'
import { memoriesDeps } from './deps.ts'
import { createMemories } from './handler.ts'

export const handler = lambdaHttp((runtime) => createMemories(memoriesDeps(runtime)))
