import { lambdaRecords } from '../../shared/host/index.ts'
import { indexVectorsDeps } from './deps.ts'
import { createIndexVectors } from './handler.ts'

export const handler = lambdaRecords((runtime) => createIndexVectors(indexVectorsDeps(runtime)))
