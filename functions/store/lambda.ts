import { lambdaHttp } from '../../shared/host/index.ts'
import { storeDeps } from './deps.ts'
import { createStore } from './handler.ts'

export const handler = lambdaHttp((runtime) => createStore(storeDeps(runtime)))
