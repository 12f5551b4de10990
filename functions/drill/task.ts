import { jobTask } from '../../shared/host/index.ts'
import { drillDeps } from './deps.ts'
import { createDrill } from './handler.ts'

await jobTask('owner', (runtime) => createDrill(drillDeps(runtime)))
