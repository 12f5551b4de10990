import { jobTask } from '../../shared/host/index.ts'
import { recountWordsDeps } from './deps.ts'
import { createRecountWords } from './handler.ts'

await jobTask('recount-words', 'worker', (runtime) => createRecountWords(recountWordsDeps(runtime)))
