import { type Checkpoint, checkpointPurpose, type SealDeps, sealTenant, type Verified, verifyAudit } from '../../shared/audit/index.ts'
import { type Signer, signerOf } from '../../shared/signature/index.ts'
import { appendAudit } from '../../shared/tenant/index.ts'
import type { Caller, Product } from './engines.ts'

export const auditSigner: Signer = signerOf('a test signing key', checkpointPurpose)

/** Seals and verifies with a checkpoint each time, and pages so small that every run has several. */
export function auditOf(product: () => Product) {
  const deps = (more: Partial<SealDeps> = {}): SealDeps => ({ worker: product().local.db.worker, signer: auditSigner, pageSize: 3, checkpointSeconds: 0, ...more })
  return {
    deps,
    seal: (caller: Caller, more: Partial<SealDeps> = {}) => sealTenant(deps(more), caller.tenantId, new AbortController().signal),
    async verify(caller: Caller, against: Checkpoint[] = [], signer = auditSigner): Promise<Verified> {
      const { tenants } = await verifyAudit(product().local.db.worker, signer, { tenant: caller.tenant, against })
      return tenants[0] as Verified
    },
    /** Audit rows by transactions of their own, one after the other. */
    async write(caller: Caller, actions: string[]): Promise<void> {
      for (const action of actions) {
        await product().local.db.app.transaction({ role: 'soma_app', tenantId: caller.tenantId }, (tx) =>
          appendAudit(tx, { ...product().ctx(caller), actor: 'test' }, action, `target of ${action}`, { ids: [action, 'ü'], n: 1.5 }),
        )
      }
    },
  }
}
