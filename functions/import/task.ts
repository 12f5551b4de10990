import { httpTask } from '../../shared/host/index.ts'
import { importDeps } from './deps.ts'
import { createImport } from './handler.ts'

await httpTask((runtime) => createImport(importDeps(runtime)))
