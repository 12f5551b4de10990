import { httpTask } from '../../shared/host/index.ts'
import { storeDeps } from './deps.ts'
import { createStore } from './handler.ts'

await httpTask((runtime) => createStore(storeDeps(runtime)), { journal: true })
