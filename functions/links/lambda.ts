import { lambdaHttp } from '../../shared/host/index.ts'
import { linksDeps } from './deps.ts'
import { createLinks } from './handler.ts'

export const handler = lambdaHttp((runtime) => createLinks(linksDeps(runtime)))
