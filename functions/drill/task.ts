import { jobTask } from '../../shared/host/index.ts'
import { drillDeps } from './deps.ts'
import { createDrill } from './handler.ts'

await jobTask('drill', 'owner', (runtime) => createDrill(drillDeps(runtime)))
