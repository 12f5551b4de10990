import { jobTask } from '../../shared/host/index.ts'
import { buildAnnDeps } from './deps.ts'
import { createBuildAnn } from './handler.ts'

await jobTask('owner', (runtime) => createBuildAnn(buildAnnDeps(runtime)))
