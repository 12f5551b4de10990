import type { Sql } from '../db/index.ts'
import { type Marked, markedColumns, marksOf } from './marks.ts'
import type { EngineRow } from './port.ts'

type Row = Marked & {
  memory_key: string
  version: number
  id: string
  namespace_key: number
  user_key: number | null
  recorded_at: Date
  created_at: Date
  occurred_at: Date | null
  importance: number
}
const columns = `m.memory_key, m.version, m.id, m.namespace_key, m.user_key, m.recorded_at, m.created_at, m.occurred_at, m.importance, m.tags, m.metadata,
  ${markedColumns.map((name) => `m.${name}`).join(', ')}`

/** Versions that were embedded, as an engine takes them; those that are not the present ones any more are left out. */
export async function rowsOf(tx: Sql, tenantId: number, versions: { memory_key: string; version: number }[], vectors: Float32Array[]): Promise<EngineRow[]> {
  const rows = await tx.query<Row>(
    `select ${columns} from memories m join unnest($2::bigint[], $3::integer[]) w (memory_key, version) on w.memory_key = m.memory_key and w.version = m.version
     where m.tenant_id = $1::integer and m.memory_key = any ($2::bigint[])`,
    [tenantId, versions.map((one) => one.memory_key), versions.map((one) => one.version)],
  )
  const byKey = new Map(versions.map((one, i) => [one.memory_key, vectors[i] as Float32Array]))
  return rows.map((row) => engineRow(tenantId, row, byKey.get(row.memory_key) as Float32Array))
}

/** `$1` the tenant, `$2` the model: vectors of present versions. */
const kept = `from vectors v join memories m on m.tenant_id = $1::integer and m.memory_key = v.memory_key and m.version = v.version where v.tenant_id = $1::integer and v.model_key = $2::smallint`

/** The vectors that Postgres has of a model, by key after a place. */
export async function keptAfter(tx: Sql, tenantId: number, modelKey: number, after: string, limit: number): Promise<EngineRow[]> {
  const rows = await tx.query<Row & { embedding: string }>(
    `select ${columns}, v.embedding::text as embedding ${kept} and v.memory_key > $3::bigint order by v.memory_key limit $4::integer`,
    [tenantId, modelKey, after, limit],
  )
  return rows.map((row) => engineRow(tenantId, row, JSON.parse(row.embedding)))
}

/** The same of single memories, by key or by id. */
export async function keptOf(tx: Sql, tenantId: number, modelKey: number, which: { keys: string[] } | { ids: string[] }): Promise<EngineRow[]> {
  const condition = 'keys' in which ? 'v.memory_key = any ($3::bigint[])' : 'm.id = any ($3::uuid[])'
  const rows = await tx.query<Row & { embedding: string }>(`select ${columns}, v.embedding::text as embedding ${kept} and ${condition} order by v.memory_key`, [
    tenantId,
    modelKey,
    'keys' in which ? which.keys : which.ids,
  ])
  return rows.map((row) => engineRow(tenantId, row, JSON.parse(row.embedding)))
}

function engineRow(tenantId: number, row: Row, vector: Float32Array | number[]): EngineRow {
  return {
    tenantId,
    memoryKey: row.memory_key,
    version: row.version,
    id: row.id,
    namespaceKey: row.namespace_key,
    userKey: row.user_key,
    recordedMs: row.recorded_at.getTime(),
    createdMs: row.created_at.getTime(),
    occurredMs: row.occurred_at?.getTime() ?? null,
    importance: row.importance,
    marks: marksOf(row),
    vector,
  }
}
