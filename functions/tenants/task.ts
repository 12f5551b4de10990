import { httpTask } from '../../shared/host/index.ts'
import { tenantsDeps } from './deps.ts'
import { createTenants } from './handler.ts'

await httpTask((runtime) => createTenants(tenantsDeps(runtime)))
