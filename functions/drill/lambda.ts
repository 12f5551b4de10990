import { lambdaJob } from '../../shared/host/index.ts'
import { drillDeps } from './deps.ts'
import { createDrill } from './handler.ts'

export const handler = lambdaJob('drill', 'owner', (runtime) => createDrill(drillDeps(runtime)))
