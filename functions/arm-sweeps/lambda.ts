import { readConfig } from '../../shared/config/index.ts'
import { armSweepsDeps } from './deps.ts'
import { createArmSweeps } from './handler.ts'

// without the runtime of the others, which opens databases: this one starts in a fraction of their time
export const handler = createArmSweeps(armSweepsDeps(readConfig()))
