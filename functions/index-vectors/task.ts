import { recordsTask } from '../../shared/host/index.ts'
import { recordsRow } from '../manifest.ts'
import { indexVectorsDeps } from './deps.ts'
import { createIndexVectors } from './handler.ts'

await recordsTask(recordsRow('index-vectors'), (runtime) => createIndexVectors(indexVectorsDeps(runtime)))
