import type { MemoryOut } from './schema.ts'

type TimeName = 'occurred_at' | 'valid_from' | 'valid_to' | 'expires_at'
/** A row of memories (or memory_versions) as pg parses it: what is answered, with times as Dates and the keys that never leave. */
export type MemoryRow = Omit<MemoryOut, TimeName | 'memory' | 'created_at' | 'updated_at' | 'index_state'> & { [name in TimeName]: Date | null } & {
  memory_key: string
  namespace_key: number
  user_key: number | null
  created_at: Date
  recorded_at: Date
  pending: boolean
}

/** The columns of a MemoryRow, of memories aliased as `m`. */
export const memoryColumns = `m.memory_key, m.id, m.version, m.namespace, m.namespace_key, m.user_key, m.coord, m.memory_type, m.text, m.payload, m.messages, m.user_id, m.agent_id, m.app_id, m.run_id,
  m.session_id, m.speaker, m.language, m.metadata, m.tags, m.importance, m.occurred_at, m.valid_from, m.valid_to, m.expires_at, m.supersedes, m.superseded_by, m.created_at, m.recorded_at,
  exists (select from vector_pending q where q.tenant_id = m.tenant_id and q.memory_key = m.memory_key) as pending`

/** True at the instant of the statement: neither expired nor outside its validity; `at` is a placeholder or now(). */
export function presentAt(at: string): string {
  return `(m.expires_at is null or m.expires_at > now()) and (m.valid_from is null or m.valid_from <= ${at}) and (m.valid_to is null or m.valid_to > ${at})`
}
export const notExpired = '(m.expires_at is null or m.expires_at > now())'

const time = (at: Date | null) => at?.toISOString() ?? null

export function memoryOf(row: MemoryRow): MemoryOut {
  return {
    id: row.id,
    version: row.version,
    namespace: row.namespace,
    coord: row.coord,
    memory_type: row.memory_type,
    text: row.text,
    memory: row.text,
    payload: row.payload,
    messages: row.messages,
    user_id: row.user_id,
    agent_id: row.agent_id,
    app_id: row.app_id,
    run_id: row.run_id,
    session_id: row.session_id,
    speaker: row.speaker,
    language: row.language,
    metadata: row.metadata,
    tags: row.tags,
    importance: row.importance,
    occurred_at: time(row.occurred_at),
    valid_from: time(row.valid_from),
    valid_to: time(row.valid_to),
    expires_at: time(row.expires_at),
    supersedes: row.supersedes,
    superseded_by: row.superseded_by,
    created_at: row.created_at.toISOString(),
    updated_at: row.recorded_at.toISOString(),
    index_state: row.pending ? 'pending' : 'indexed',
  }
}
