import { readConfig } from '../../shared/config/index.ts'
import { createLog } from '../../shared/telemetry/index.ts'
import { armSweepsDeps } from './deps.ts'
import { createArmSweeps } from './handler.ts'

const config = readConfig()

// without the runtime of the others, which opens databases: this one starts in a fraction of their time
export const handler = createArmSweeps(armSweepsDeps(config, createLog(config.LOG_LEVEL)))
