import { lambdaJob } from '../../shared/host/index.ts'
import { recountWordsDeps } from './deps.ts'
import { createRecountWords } from './handler.ts'

export const handler = lambdaJob('recount-words', 'worker', (runtime) => createRecountWords(recountWordsDeps(runtime)))
