import { createHash } from 'node:crypto'

/** A row of the log as it is hashed: the texts that Postgres writes. `at` is RFC 3339 in UTC with six digits of a second, `detail` the text of its jsonb. */
export type AuditRow = { seq: string; at: string; actor: string; action: string; target: string | null; request_id: string | null; detail: string | null }

/** The columns of an AuditRow of `audit_log l`. The form is the same on every engine: what is sealed here is verified elsewhere. */
export const rowColumns = `l.seq::text as seq, to_char(l.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at, l.actor, l.action, l.target, l.request_id, l.detail::text as detail`

/** What stands before the first row. */
export const genesis = Buffer.alloc(32)
const form = 'soma audit 1'

/**
 * The hash of a row at its place: SHA-256 over the hash before it and ten fields, each as its length in bytes (4 bytes, big endian) and its UTF-8; null as the length
 * 2^32 - 1 alone. docs/design.md has the order for whoever writes another verifier.
 */
export function hashRow(previous: Uint8Array, tenantId: number, position: number, row: AuditRow): Buffer {
  const hash = createHash('sha256').update(previous)
  for (const field of [form, String(tenantId), String(position), row.seq, row.at, row.actor, row.action, row.target, row.request_id, row.detail]) addField(hash, field)
  return hash.digest()
}

function addField(hash: ReturnType<typeof createHash>, field: string | null): void {
  const bytes = Buffer.from(field ?? '')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(field === null ? 0xffffffff : bytes.length)
  hash.update(length).update(bytes)
}
