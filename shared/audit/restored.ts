import { randomUUID } from 'node:crypto'
import type { Database } from '../db/index.ts'
import { appendAudit, systemTenantId } from '../tenant/index.ts'

type Restored = { archive_id: string; created_at: string; generation: number; rows: number }

/** A row in the log of the tenant "system": from here on everything is what a backup had. It comes after the restore, which compares what it has written to the last row. */
export function auditRestore(owner: Database, { archive_id: archive, created_at, generation, rows }: Restored, actor: 'cli' | 'restore'): Promise<void> {
  return owner.transaction({ role: 'soma_worker', tenantId: systemTenantId }, (tx) =>
    appendAudit(tx, { tenantId: systemTenantId, actor, requestId: randomUUID() }, 'backup.restore', archive, { created_at, generation, rows }),
  )
}
