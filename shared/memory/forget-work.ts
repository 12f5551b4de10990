import type { Part } from '../operation/index.ts'

/** Memories a transaction forgets: their words and vectors move to history with them. */
const batch = 500

/** The next part of an operation that forgets: of exactly the versions that were confirmed; one that has changed since is left and counted. */
export const forgetWork: Part = async (tx, { tenantId, actor, request, result, progress }) => {
  const { keys, versions, request_id } = request as { keys: string[]; versions: number[]; request_id: string }
  const from = Math.round(progress * keys.length)
  const to = Math.min(keys.length, from + batch)
  await tx.query('select mark_change($1::integer)', [tenantId])
  const rows = await tx.query<{ memory_key: string }>(
    `select m.memory_key from memories m join unnest($2::bigint[], $3::integer[]) w (memory_key, version) on w.memory_key = m.memory_key and w.version = m.version
     where m.tenant_id = $1::integer and m.memory_key = any ($2::bigint[]) order by m.memory_key for update of m`,
    [tenantId, keys.slice(from, to), versions.slice(from, to)],
  )
  const call = JSON.stringify({ actor, action: 'memory.forget', request_id })
  if (rows.length) await tx.query('select forget_keys($1::integer, $2::bigint[], $3::jsonb)', [tenantId, rows.map((row) => row.memory_key), call])
  const before = result as { deleted?: number; changed?: number }
  return {
    progress: keys.length ? to / keys.length : 1,
    result: { deleted: (before.deleted ?? 0) + rows.length, changed: (before.changed ?? 0) + (to - from - rows.length) },
  }
}
