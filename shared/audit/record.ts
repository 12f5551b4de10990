import * as z from 'zod'
import type { EventRecord } from '../handler/index.ts'

export const auditTopic = 'soma.audit'

/**
 * The value of one record on `soma.audit`: a sealed row, with its place and hash. Records come in the order of the chain and at least once; what has the same tenant, generation and
 * position is the same. After a restore, in a higher generation, places behind the backup's end are given again.
 */
export const AuditRecord = z.strictObject({
  tenant_id: z.string(),
  generation: z.int().min(1),
  position: z.int().min(1),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  seq: z.string(),
  at: z.iso.datetime({ precision: 6 }),
  actor: z.string(),
  action: z.string(),
  target: z.string().nullable(),
  request_id: z.string().nullable(),
  detail: z.unknown(),
})
export type AuditRecord = z.output<typeof AuditRecord>

/** The record of a sealed row; its key is the tenant, so that a tenant's chain stays in order. */
export function recordOf(value: AuditRecord): EventRecord {
  const { tenant_id: tenant, generation, position, at } = value
  const headers = {
    'tenant-id': tenant,
    generation: String(generation),
    'schema-version': '1',
    'dedupe-key': `${tenant}:${generation}:${position}`,
    'event-created-at': at,
  }
  return { topic: auditTopic, key: tenant, value: JSON.stringify(value), headers }
}
