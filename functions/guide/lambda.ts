import { lambdaHttp } from '../../shared/host/index.ts'
import { guideDeps } from './deps.ts'
import { createGuide } from './handler.ts'

export const handler = lambdaHttp((runtime) => createGuide(guideDeps(runtime)))
