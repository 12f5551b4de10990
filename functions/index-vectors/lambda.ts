import { lambdaRecords } from '../../shared/host/index.ts'
import { recordsRow } from '../manifest.ts'
import { indexVectorsDeps } from './deps.ts'
import { createIndexVectors } from './handler.ts'

export const handler = lambdaRecords(recordsRow('index-vectors'), (runtime) => createIndexVectors(indexVectorsDeps(runtime)))
