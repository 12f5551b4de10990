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

/** The columns of a MemoryRow, of memories aliased as `m`. Only the present version can still wait for its vector. */
export const memoryColumns = `m.memory_key, m.id, m.version, m.namespace, m.namespace_key, m.user_key, m.coord, m.memory_type, m.text, m.payload, m.messages, m.user_id, m.agent_id, m.app_id, m.run_id,
  m.session_id, m.speaker, m.language, m.metadata, m.tags, m.importance, m.occurred_at, m.valid_from, m.valid_to, m.expires_at, m.supersedes, m.superseded_by, m.created_at, m.recorded_at,
  exists (select from vector_pending q where q.tenant_id = m.tenant_id and q.memory_key = m.memory_key and q.version = m.version) as pending`

const plainColumns = `tenant_id, memory_key, id, version, namespace, namespace_key, user_key, coord, memory_type, text, payload, messages, user_id, agent_id, app_id, run_id,
  session_id, speaker, language, metadata, tags, importance, occurred_at, valid_from, valid_to, expires_at, supersedes, superseded_by, created_at, recorded_at`

/** Where the rows that were known at an instant (a placeholder; undefined for now) stand: each table, and the condition on it as `m`. */
export function sourcesAt(asOf: string | undefined): { table: 'memories' | 'memory_versions'; condition: string }[] {
  if (asOf === undefined) return [{ table: 'memories', condition: 'true' }]
  return [
    { table: 'memories', condition: `m.recorded_at <= ${asOf}` },
    { table: 'memory_versions', condition: `m.recorded_at <= ${asOf} and m.closed_at > ${asOf} and m.state = 'closed'` },
  ]
}

/** The same as one table expression aliased as `m`, for looking up by key: an order or a limit does not reach into its parts. */
export function memoriesAt(asOf: string | undefined): string {
  if (asOf === undefined) return 'memories m'
  return `(${sourcesAt(asOf)
    .map(({ table, condition }) => `select ${plainColumns} from ${table} m where ${condition}`)
    .join(' union all ')}) m`
}

/** Neither expired at the instant of `known` nor outside its validity at `valid`; both are placeholders or now(). */
export function presentAt(valid: string, known = 'now()'): string {
  return `${notExpiredAt(known)} and (m.valid_from is null or m.valid_from <= ${valid}) and (m.valid_to is null or m.valid_to > ${valid})`
}
export const notExpiredAt = (known: string) => `(m.expires_at is null or m.expires_at > ${known})`
export const notExpired = notExpiredAt('now()')

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
