import { lambdaJob } from '../../shared/host/index.ts'
import { sealAuditDeps } from './deps.ts'
import { createSealAudit } from './handler.ts'

export const handler = lambdaJob('seal-audit', 'worker', (runtime) => createSealAudit(sealAuditDeps(runtime)))
