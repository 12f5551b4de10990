import { type SealAuditDeps, sealAudit } from '../../shared/audit/index.ts'
import type { JobHandler } from '../../shared/handler/index.ts'

/** Puts committed audit rows into the chain of their tenant, signs where each chain ends, publishes what is sealed. */
export function createSealAudit(deps: SealAuditDeps): JobHandler {
  return (signal) => sealAudit(deps, signal)
}
