import { lambdaHttp } from '../../shared/host/index.ts'
import { tenantsDeps } from './deps.ts'
import { createTenants } from './handler.ts'

export const handler = lambdaHttp((runtime) => createTenants(tenantsDeps(runtime)))
