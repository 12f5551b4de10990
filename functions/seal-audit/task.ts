import { jobTask } from '../../shared/host/index.ts'
import { sealAuditDeps } from './deps.ts'
import { createSealAudit } from './handler.ts'

await jobTask('seal-audit', 'worker', (runtime) => createSealAudit(sealAuditDeps(runtime)))
