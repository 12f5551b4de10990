import { checkpointPurpose, type SealAuditDeps } from '../../shared/audit/index.ts'
import { ConfigError } from '../../shared/config/index.ts'
import type { Runtime } from '../../shared/host/index.ts'
import { signerOf } from '../../shared/signature/index.ts'

/** @throws ConfigError where there is nothing to sign with */
export function sealAuditDeps({ databases, signingKey, publisher, generation, log }: Runtime): SealAuditDeps {
  if (signingKey === '') throw new ConfigError('SIGNING_KEY is missing: it signs the checkpoints of the audit chain.')
  return {
    worker: databases.worker,
    signer: signerOf(signingKey, checkpointPurpose),
    publisher,
    generation,
    onFailure: (error) => log.warn({ err: error }, 'a sealed audit row was not published'),
  }
}
