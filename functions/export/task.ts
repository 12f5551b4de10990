import { httpTask } from '../../shared/host/index.ts'
import { exportDeps } from './deps.ts'
import { createExport } from './handler.ts'

await httpTask((runtime) => createExport(exportDeps(runtime)))
