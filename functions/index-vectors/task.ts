import { recordsTask } from '../../shared/host/index.ts'
import { indexVectorsDeps } from './deps.ts'
import { createIndexVectors } from './handler.ts'

await recordsTask((runtime) => createIndexVectors(indexVectorsDeps(runtime)))
