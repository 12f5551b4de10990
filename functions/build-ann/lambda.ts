import { lambdaJob } from '../../shared/host/index.ts'
import { buildAnnDeps } from './deps.ts'
import { createBuildAnn } from './handler.ts'

export const handler = lambdaJob('build-ann', 'owner', (runtime) => createBuildAnn(buildAnnDeps(runtime)))
