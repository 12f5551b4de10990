import { jobTask } from '../../shared/host/index.ts'
import { buildAnnDeps } from './deps.ts'
import { createBuildAnn } from './handler.ts'

await jobTask('build-ann', 'owner', (runtime) => createBuildAnn(buildAnnDeps(runtime)))
